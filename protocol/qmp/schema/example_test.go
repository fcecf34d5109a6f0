package schema_test

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/drover-vm/drover/protocol/qmp/schema"
)

// A little schema; a QEMU's own has more than a thousand entities.
const little = `[
	{"name": "migrate-recover", "meta-type": "command", "arg-type": "1", "ret-type": "0", "allow-oob": true},
	{"name": "query-kvm", "meta-type": "command", "arg-type": "0", "ret-type": "2", "features": ["deprecated"]},
	{"name": "0", "meta-type": "object", "members": []},
	{"name": "1", "meta-type": "object", "members": [{"name": "uri", "type": "str"}]},
	{"name": "2", "meta-type": "object", "members": [{"name": "enabled", "type": "bool"}, {"name": "present", "type": "bool"}]},
	{"name": "str", "meta-type": "builtin", "json-type": "string"},
	{"name": "bool", "meta-type": "builtin", "json-type": "boolean"}]`

// A monitor answers as a *qmp.Session would.
type monitor struct{}

func (monitor) Execute(_ context.Context, _ string, _, reply any) error {
	*reply.(*json.RawMessage) = json.RawMessage(little)
	return nil
}

func Example() {
	s, err := schema.Query(context.Background(), monitor{}) // or a *qmp.Session
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(s.Has("migrate-recover uri"), s.Has("migrate-recover channels"))
	fmt.Println(s.Has("query-kvm -> enabled"), s.HasFeature("query-kvm", schema.Deprecated))
	for _, name := range s.Commands() {
		fmt.Println(s.Command(name))
	}
	// Output:
	// true false
	// true true
	// migrate-recover {uri: str} (out-of-band)
	// query-kvm -> {enabled: bool, present: bool} (deprecated)
}

func ExampleSchema_Check() {
	s, err := schema.Parse([]byte(little))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(s.Check("migrate-recover", []byte(`{"uri": "unix:/run/m"}`)))
	fmt.Println(s.Check("migrate-recover", []byte(`{"url": "unix:/run/m"}`)))
	fmt.Println(s.Check("migrate-recover", []byte(`{"uri": 4444}`)))
	fmt.Println(s.Check("query-kvms", nil))
	// Output:
	// <nil>
	// schema: migrate-recover: url: this QEMU has no such argument; did you mean uri?
	// schema: migrate-recover: uri: 4444 is not a string
	// schema: query-kvms: this QEMU has no such command; did you mean query-kvm?
}

func ExampleSchema_Complete() {
	s, err := schema.Parse([]byte(little))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(s.Complete("mig"), s.Complete("migrate-recover "), s.Complete("query-kvm -> p"))
	// Output: [migrate-recover] [uri] [present]
}
