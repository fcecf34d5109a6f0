package drover_test

import (
	"bufio"
	"bytes"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestNoFileIsLongerThan500Lines: whoever opens a file should be able to hold it.
func TestNoFileIsLongerThan500Lines(t *testing.T) {
	for _, path := range files(t, ".go", ".s") {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		require.LessOrEqual(t, bytes.Count(text, []byte("\n")), 500, path)
	}
}

// TestEverySkipSaysWhy: a skip is for what the host lacks, in a sentence that
// tells a person how to fix it.
func TestEverySkipSaysWhy(t *testing.T) {
	for _, path := range files(t, ".go") {
		inspect(t, path, func(at token.Position, n ast.Node) {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return
			}
			method, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return
			}
			require.NotEqual(t, "SkipNow", method.Sel.Name, "%v: say why, with Skip", at)
			if name := method.Sel.Name; name == "Skip" || name == "Skipf" {
				require.NotEmpty(t, call.Args, "%v: say why", at)
			}
		})
	}
}

// TestNothingSleepsInATest: a fixed sleep is too long on a fast machine and too
// short on a slow one. Tests wait for conditions, or own the clock
// (testing/synctest, where a sleep takes no time, and is allowed). A stand-in that
// is meant to hang sleeps for an hour.
func TestNothingSleepsInATest(t *testing.T) {
	for _, path := range files(t, "_test.go") {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		if bytes.Contains(text, []byte(`"testing/synctest"`)) {
			continue
		}
		inspect(t, path, func(at token.Position, n ast.Node) {
			call, ok := n.(*ast.CallExpr)
			if ok && types.ExprString(call.Fun) == "time.Sleep" && types.ExprString(call.Args[0]) != "time.Hour" {
				t.Errorf("%v: a fixed sleep; wait for a condition, or use testing/synctest", at)
			}
		})
	}
}

// TestNoCallChangesAPackageVariable: data flows down as arguments and comes back
// as return values, so two runs in one process never meet. Names and tables that
// are written once, where they are declared, are fine.
func TestNoCallChangesAPackageVariable(t *testing.T) {
	all := packages(t)
	for _, p := range ours(t) {
		var files []*ast.File
		for _, name := range p.GoFiles {
			files = append(files, parsed(t, filepath.Join(p.Dir, name)))
		}
		exports := importer.ForCompiler(positions, "gc", func(path string) (io.ReadCloser, error) { return os.Open(all[path].Export) })
		info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
		config := types.Config{Importer: exports}
		checked, err := config.Check(p.ImportPath, positions, files, info)
		require.NoError(t, err)
		for _, f := range files {
			ast.Inspect(f, func(n ast.Node) bool {
				for _, changed := range changedBy(n) {
					v, ok := info.Uses[changed].(*types.Var)
					if ok && v.Parent() == checked.Scope() {
						t.Errorf("%v changes %s, a variable of package %s", positions.Position(changed.Pos()), v.Name(), p.folder())
					}
				}
				return true
			})
		}
	}
}

// changedBy gives the variables that a statement assigns to, or to a part of.
func changedBy(n ast.Node) []*ast.Ident {
	var targets []ast.Expr
	switch n := n.(type) {
	case *ast.AssignStmt:
		targets = n.Lhs
	case *ast.IncDecStmt:
		targets = []ast.Expr{n.X}
	case *ast.RangeStmt:
		targets = []ast.Expr{n.Key, n.Value}
	}
	var found []*ast.Ident
	for _, target := range targets {
		for done := false; !done; {
			switch x := target.(type) {
			case *ast.Ident:
				found = append(found, x)
				done = true
			case *ast.IndexExpr:
				target = x.X
			case *ast.SelectorExpr:
				target = x.X
			case *ast.StarExpr:
				target = x.X
			case *ast.ParenExpr:
				target = x.X
			default:
				done = true
			}
		}
	}
	return found
}

// TestNothingHappensBeforeMain: no init functions, which nobody calls and nobody
// can pass anything to.
func TestNothingHappensBeforeMain(t *testing.T) {
	for _, path := range files(t, ".go") {
		inspect(t, path, func(at token.Position, n ast.Node) {
			if f, ok := n.(*ast.FuncDecl); ok {
				require.False(t, f.Recv == nil && f.Name.Name == "init", "%v: no init functions", at)
			}
		})
	}
}

// TestCIRunsTheCommandOfTheREADME, and stops at the first error.
func TestCIRunsTheCommandOfTheREADME(t *testing.T) {
	f, err := os.Open(".ci/run")
	require.NoError(t, err)
	defer f.Close()
	info, err := f.Stat()
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&0o100, ".ci/run can be executed")
	var lines []string
	for s := bufio.NewScanner(f); s.Scan(); {
		lines = append(lines, s.Text())
	}
	require.Equal(t, "#!/bin/bash", lines[0])
	require.Contains(t, lines, "set -euo pipefail")
	require.Contains(t, strings.Join(lines, "\n"), "make test")
	workflow, err := os.ReadFile(".github/workflows/ci.yml")
	require.NoError(t, err)
	require.Contains(t, string(workflow), "run: .ci/run\n")
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	require.Contains(t, string(readme), "make test")
}

// files are the repository's own files with one of the endings.
func files(t *testing.T, endings ...string) []string {
	t.Helper()
	var found []string
	require.NoError(t, filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || d.Name() == "artifacts" || strings.HasPrefix(d.Name(), ".") && path != "."):
			return fs.SkipDir
		case !d.IsDir() && slices.ContainsFunc(endings, func(e string) bool { return strings.HasSuffix(path, e) }):
			found = append(found, path)
		}
		return nil
	}))
	require.NotEmpty(t, found)
	return found
}

func inspect(t *testing.T, path string, visit func(token.Position, ast.Node)) {
	t.Helper()
	ast.Inspect(parsed(t, path), func(n ast.Node) bool {
		if n != nil {
			visit(positions.Position(n.Pos()), n)
		}
		return true
	})
}

// parsed is a file that is read once, however often it is asked for.
func parsed(t *testing.T, path string) *ast.File {
	t.Helper()
	once, _ := parsedFiles.LoadOrStore(path, sync.OnceValues(func() (*ast.File, error) {
		return parser.ParseFile(positions, path, nil, 0)
	}))
	f, err := once.(func() (*ast.File, error))()
	require.NoError(t, err)
	return f
}

// The files that have been parsed, by path, and where what is in them stands.
var (
	parsedFiles sync.Map
	positions   = token.NewFileSet()
)

// asGoName takes `migration.Scenario` and `Scenario.Full` apart: a package of this
// module, or a type in one, and a name in it.
func asGoName(t *testing.T, word string) (scope, name string, ok bool) {
	t.Helper()
	scope, name, ok = strings.Cut(strings.TrimSuffix(word, "{}"), ".")
	if !ok || !token.IsIdentifier(scope) || !token.IsIdentifier(name) || !token.IsExported(name) {
		return "", "", false
	}
	return scope, name, len(declared(t, scope)) > 0
}

// declared lists what is declared in the packages of a name, and the methods and
// fields of the types of a name.
func declared(t *testing.T, scope string) []string {
	t.Helper()
	var names []string
	for _, p := range ours(t) {
		for _, file := range p.GoFiles {
			for _, d := range parsed(t, filepath.Join(p.Dir, file)).Decls {
				names = append(names, declaredBy(d, p.Name == scope, scope)...)
			}
		}
	}
	return names
}

func declaredBy(d ast.Decl, inPackage bool, scope string) []string {
	var names []string
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil && inPackage || d.Recv != nil && receiver(d) == scope {
			names = append(names, d.Name.Name)
		}
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				if inPackage {
					names = append(names, s.Name.Name)
				}
				if fields, ok := s.Type.(*ast.StructType); ok && s.Name.Name == scope {
					for _, f := range fields.Fields.List {
						for _, n := range f.Names {
							names = append(names, n.Name)
						}
					}
				}
			case *ast.ValueSpec:
				for _, n := range s.Names {
					if inPackage {
						names = append(names, n.Name)
					}
				}
			}
		}
	}
	return names
}

func receiver(f *ast.FuncDecl) string {
	x := f.Recv.List[0].Type
	if star, ok := x.(*ast.StarExpr); ok {
		x = star.X
	}
	switch x := x.(type) {
	case *ast.Ident:
		return x.Name
	case *ast.IndexExpr:
		if id, ok := x.X.(*ast.Ident); ok {
			return id.Name
		}
	}
	return ""
}
