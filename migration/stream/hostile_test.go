package stream_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// hostile are streams of about so many bytes that claim more than they have, or have as
// much of one thing as fits.
func hostile() map[string]func(n int) []byte {
	device := func(b *builder, id uint32, name, payload string) *builder {
		return b.u8(4).u32(id).name(name).u32(0).u32(1).raw(payload).u8(0x7e).u32(id)
	}
	described := func(fields string) string {
		return `{"devices": [{"name": "a", "vmsd_name": "x", "version": 1, "fields": [` + fields + `]}]}`
	}
	many := func(n int, text string) string { return strings.TrimSuffix(strings.Repeat(text, n/len(text)), ",") }
	list := func(n int, more func(b *builder, i int)) []byte {
		b := build().u8(1).u32(2).name("ram").u32(0).u32(4).u64(1<<40 | 4)
		for i := 0; len(b.b) < n; i++ {
			more(b, i)
		}
		return b.b
	}
	return map[string]func(n int) []byte{
		"sections": func(n int) []byte {
			b := build()
			for i := uint32(0); len(b.b) < n; i++ {
				device(b, i, "b", "")
			}
			return b.end(noDevices)
		},
		"sections and devices": func(n int) []byte {
			b := build()
			for i := uint32(0); len(b.b) < n/2; i++ {
				device(b, i, fmt.Sprintf("b%d", i%7), "")
			}
			return b.end(`{"devices": [` + many(n/2, `{"name": "b1", "vmsd_name": "some", "f": 1},`) + `]}`)
		},
		"sections that claim the rest": func(n int) []byte {
			b := build()
			for i := uint32(0); len(b.b) < n/2; i++ {
				device(b, i, "a", "x")
			}
			device(b, 1<<30, "z", strings.Repeat("\x00", n/2))
			return b.end(described(fmt.Sprintf(`{"name": "f", "type": "buffer", "size": %d}`, n/2)))
		},
		"sections of others' footers": func(n int) []byte {
			b := build()
			for i := uint32(0); len(b.b) < n; i++ {
				b.u8(4).u32(i).name("a").u32(0).u32(1).raw("x").u8(0x7e).u32(i + 1<<20)
			}
			return b.end(described(`{"name": "f", "type": "buffer", "size": 1}`))
		},
		"sections without footers": func(n int) []byte {
			b := build()
			for i := uint32(0); len(b.b) < n; i++ {
				b.u8(4).u32(i).name("a").u32(0).u32(1).raw("x")
			}
			return b.end(described(`{"name": "f", "type": "buffer", "size": 1}`))
		},
		"sections that lost their footers": func(n int) []byte {
			b := device(build(), 1<<20, "a", "x")
			for i := uint32(0); len(b.b) < n; i++ {
				b.u8(4).u32(i).name("a").u32(0).u32(1).raw("x")
			}
			return b.end(described(`{"name": "f", "type": "buffer", "size": 1}`))
		},
		"footers in a section": func(n int) []byte {
			return device(build(), 3, "a", strings.Repeat("\x7e\x00\x00\x00\x03\x04\x00\x00\x00\x01\x7f", n/11)).end(noDevices)
		},
		"arrays of pointers": func(n int) []byte {
			b := build()
			for i := uint32(0); len(b.b) < n; i++ {
				device(b, i, "a", strings.Repeat("0", 1000))
			}
			return b.end(described(`{"name": "f", "array_len": 501, "type": "struct", "size": 2, "struct": {"vmsd_name": "s", "fields": [{"name": "x", "type": "uint16", "size": 2}]}}`))
		},
		"parts of one section": func(n int) []byte {
			b := build().u8(1).u32(1).name("dirty-bitmap").u32(0).u32(1).u8(0x7e).u32(1)
			for len(b.b) < n {
				b.u8(2).u32(1).u8(0x7e).u32(1)
			}
			return b.end(noDevices)
		},
		"devices described": func(n int) []byte { return build().end(`{"devices": [` + many(n, "{},") + `]}`) },
		"numbers described": func(n int) []byte { return build().end(`{"devices": [` + many(n, "0,") + `]}`) },
		"nulls described":   func(n int) []byte { return build().end(described(many(n, "null,"))) },
		"long names described": func(n int) []byte {
			return build().end(`{"devices": [` + many(n, `{"name": "`+strings.Repeat("n", 60)+`"},`) + `]}`)
		},
		"subsections described": func(n int) []byte {
			return device(build(), 3, "a", "").end(`{"devices": [{"name": "a", "subsections": [` + many(n, `{"vmsd_name": "aaaaaaaaaaaaaaaaaaaaaaaaaaaa"},`) + `]}]}`)
		},
		"fields of many sections": func(n int) []byte {
			b := build()
			for i := uint32(0); len(b.b) < n/2; i++ {
				device(b, i, "a", "")
			}
			return b.end(described(many(n/2, `{"name": "field", "type": "uint8", "size": 0},`)))
		},
		"structs in arrays": func(n int) []byte {
			return device(build(), 3, "a", strings.Repeat("\x00", n)).end(described(fmt.Sprintf(`{"name": "f", "type": "struct", "array_len": %d, "size": 1, "struct": {"fields": [{"name": "q", "type": "uint8", "size": 1}]}}`, n)))
		},
		"unknown members": func(n int) []byte { return build().end(`{"devices": [{"x": [` + many(n, "[{}],") + `]}]}`) },
		"commands": func(n int) []byte {
			return build().raw(strings.Repeat("\x08\x00\x02\x00\x00\x08\x00\x01\x00\x00", n/10)).end("")
		},
		"capabilities": func(n int) []byte {
			b := build().machine("x").u8(5).name("configuration/capabilities").u32(1).u32(0xffffffff)
			return b.raw(strings.Repeat("\x00", n)).b
		},
		"blocks": func(n int) []byte {
			return list(n, func(b *builder, i int) { b.name(fmt.Sprint(i)).u64(4096) })
		},
		"blocks of no length": func(n int) []byte {
			b := build().machine("x").capabilities("mapped-ram").u8(1).u32(2).name("ram").u32(0).u32(4).u64(4096 | 4)
			for i := 0; len(b.b) < n; i++ {
				b.name(fmt.Sprint(i)).u64(0)
				at := uint64(len(b.b) + 28)
				b.u32(1).u64(4096).u64(at).u64(at)
			}
			return b.b
		},
		"blocks far from each other": func(n int) []byte {
			b := build().machine("x").capabilities("mapped-ram").u8(1).u32(2).name("ram").u32(0).u32(4).u64(4096 | 4)
			for i := 0; len(b.b) < n; i++ {
				b.name(fmt.Sprint(i)).u64(0)
				at := uint64(len(b.b) + 28)
				b.u32(1).u64(4096).u64(at).u64(at + 5000).raw(strings.Repeat("\x00", 5000))
			}
			return b.b
		},
		"lists of blocks": func(n int) []byte {
			b := build().u8(1).u32(2).name("ram").u32(0).u32(4)
			for len(b.b) < n {
				b.u64(4096 | 4).name("a").u64(4096)
			}
			return b.b
		},
		"pages far from each other": func(n int) []byte {
			b := build().u8(1).u32(2).name("ram").u32(0).u32(4).u64(1<<62 | 4).name("r").u64(1 << 62).u64(0x02).name("r").u8(0)
			for i := uint64(1); len(b.b) < n; i++ {
				b.u64(i<<33 | 0x22).u8(0)
			}
			return b.b
		},
		"pages of no block": func(n int) []byte {
			b := build().u8(1).u32(2).name("ram").u32(0).u32(4).u64(8192 | 4).name("r").u64(8192).u64(0x02).name("r").u8(0)
			for len(b.b) < n {
				b.u64(1<<20 | 0x22).u8(0)
			}
			return b.b
		},
		"sections of a page": func(n int) []byte {
			b := build().u8(1).u32(2).name("ram").u32(0).u32(4).u64(8192 | 4).name("r").u64(8192).u64(0x10)
			for len(b.b) < n {
				b.u8(2).u32(2).u64(0x22).u8(0).u64(0x10)
			}
			return b.b
		},
		"a section without an end": func(n int) []byte {
			return build().u8(1).u32(1).name("dirty-bitmap").u32(0).u32(1).raw(strings.Repeat("\x7e\x00\x00\x00", n/4)).b
		},
		"noise behind a beginning": func(n int) []byte {
			b := build()
			for r := rand.New(rand.NewPCG(1, 2)); len(b.b) < n; {
				b.u64(r.Uint64())
			}
			return b.b
		},
		"zeros behind the end": func(n int) []byte {
			return append(build().end(noDevices), make([]byte, n)...)
		},
	}
}
