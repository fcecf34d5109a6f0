package qapi

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/protocol/qmp/schema"
)

// Whatever any of the recorded QEMUs may send has a field, and whatever has a
// field is sent by one of them.
func TestTypesHaveTheMembersOfTheSchemas(t *testing.T) {
	for path, of := range map[string]any{
		"MIGRATION":                     MigrationEvent{},
		"MIGRATION_PASS":                MigrationPassEvent{},
		"SHUTDOWN":                      ShutdownEvent{},
		"RESET":                         ResetEvent{},
		"DEVICE_DELETED":                DeviceDeletedEvent{},
		"query-migrate ->":              MigrationInfo{},
		"query-migrate-capabilities ->": []capability{},
		"query-status ->":               StatusInfo{},
		"query-target ->":               targetReply{},
		"query-cpus-fast ->":            []CPUInfo{},
		"query-fdsets ->":               []FDSetInfo{},
		"query-yank ->":                 []YankInstance{},
		"yank instances":                []YankInstance{},
		"add-fd ->":                     FDInfo{},
		"add-fd":                        AddFDArguments{},
		"qom-list ->":                   []Property{},
		"migrate-incoming":              IncomingArguments{},
		"migrate channels":              []MigrationChannel{},
	} {
		sent := map[string]bool{}
		for version, s := range RecordedSchemas(t) {
			if item, ok := s.Find(path); ok {
				missing := compare(item.Type, reflect.TypeOf(of), "", sent)
				require.Empty(t, missing, "%s: %s has no fields for these", version, path)
			}
		}
		require.NotEmpty(t, sent, "%s is in no schema", path)
		for _, name := range slices.Sorted(names(reflect.TypeOf(of), "")) {
			require.True(t, sent[name], "%s: no QEMU knows %s", path, name)
		}
	}
}

// compare returns the paths of members that the Go type has no field for, and
// notes those for which it has one.
func compare(s *schema.Type, of reflect.Type, at string, sent map[string]bool) (missing []string) {
	raw := reflect.TypeFor[json.RawMessage]()
	for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice && of != raw && s.Meta == schema.Array {
		if of.Kind() == reflect.Slice {
			s = s.Element
		}
		of = of.Elem()
	}
	if of == raw || of.Kind() == reflect.Map {
		return nil
	}
	if s.Meta != schema.Object {
		if !holds(of.Kind(), s) {
			missing = append(missing, at+" is a "+s.String()+", not a "+of.String())
		}
		return missing
	}
	fields := fields(of)
	for _, m := range s.Members {
		path := at + "." + m.Name
		field, ok := fields[m.Name]
		if !ok {
			missing = append(missing, path)
			continue
		}
		sent[path] = true
		missing = append(missing, compare(m.Type, field, path, sent)...)
	}
	for _, v := range s.Variants {
		missing = append(missing, compare(v.Type, of, at, sent)...)
	}
	return missing
}

// holds reports whether a Go type can hold what isn't an object.
func holds(kind reflect.Kind, s *schema.Type) bool {
	switch {
	case s.Meta == schema.Alternate: // of a string and null
		return slices.ContainsFunc(s.Alternatives, func(a *schema.Type) bool { return holds(kind, a) })
	case s.Meta == schema.Enum || s.JSON == "string":
		return kind == reflect.String
	case s.JSON == "int":
		return reflect.Int <= kind && kind <= reflect.Uint64
	case s.JSON == "number":
		return kind == reflect.Float64
	case s.JSON == "boolean":
		return kind == reflect.Bool
	}
	return false
}

// fields returns a struct's fields by their names in JSON.
func fields(of reflect.Type) map[string]reflect.Type {
	all := map[string]reflect.Type{}
	for _, f := range reflect.VisibleFields(of) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != "" && name != "-" {
			all[name] = f.Type
		}
	}
	return all
}

// names yields the paths of all fields.
func names(of reflect.Type, at string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice && of != reflect.TypeFor[json.RawMessage]() {
			of = of.Elem()
		}
		if of.Kind() != reflect.Struct {
			return
		}
		for name, field := range fields(of) {
			if !yield(at + "." + name) {
				return
			}
			for inner := range names(field, at+"."+name) {
				if !yield(inner) {
					return
				}
			}
		}
	}
}

// Every value that an enumeration has anywhere has its constant, and no other.
func TestEnumerationsHaveTheValuesOfTheSchemas(t *testing.T) {
	for of, path := range map[string]string{
		"MigrationStatus": "query-migrate -> status",
		"RunState":        "query-status -> status",
	} {
		known := map[string]bool{}
		for _, s := range RecordedSchemas(t) {
			item, ok := s.Find(path)
			require.True(t, ok)
			for _, v := range item.Type.Values {
				known[v.Name] = true
			}
		}
		want := slices.Sorted(func(yield func(string) bool) {
			for name := range known {
				if !yield(name) {
					return
				}
			}
		})
		require.Equal(t, want, constants(t, of), of)
	}
}

// constants returns the values of the constants declared with a type, sorted.
func constants(t testing.TB, of string) []string {
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	var values []string
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 {
				return true
			}
			if named, ok := spec.Type.(*ast.Ident); ok && named.Name == of {
				value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
				require.NoError(t, err)
				values = append(values, value)
			}
			return true
		})
	}
	slices.Sort(values)
	return values
}
