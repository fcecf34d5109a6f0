package steps

import (
	"context"
	"fmt"

	"github.com/drover-vm/drover/migration"
)

func bitmapVerbs() migration.Vocabulary {
	return migration.Vocabulary{{
		Name: "expect bitmap", Args: "NAME [recording] [persistent|transient] [count SIZE]", Sides: migration.OnSource,
		Doc:     "The image has a dirty bitmap of that name on a side: one that records what is written, is kept in the image or not, and has so much of it as written.",
		Example: "destination: expect bitmap sent recording count 2MiB",
		Step: func(a *migration.Args) migration.Step {
			want := wantedBitmap{name: a.Word("the name"), recording: a.Option("recording")}
			want.persistent = a.Option("persistent")
			want.transient = !want.persistent && a.Option("transient")
			want.count = -1
			if a.Option("count") {
				want.count = a.Size("how much is written")
			}
			return expectBitmap(a.Side(), want)
		},
	}}
}

type wantedBitmap struct {
	name                             string
	recording, persistent, transient bool
	count                            int64 // -1 is any
}

func expectBitmap(on string, want wantedBitmap) migration.Step {
	return onImage("attach image", "expect bitmap "+want.name, func(ctx context.Context, p *migration.Pair) error {
		return each(p, on, func(s *migration.Side) error {
			var nodes []struct {
				Name    string `json:"node-name"`
				Bitmaps []struct {
					Name                  string
					Count                 int64
					Recording, Persistent bool
				} `json:"dirty-bitmaps"`
			}
			if err := s.QMP().Execute(ctx, "query-named-block-nodes", map[string]any{"flat": true}, &nodes); err != nil {
				return err
			}
			for _, n := range nodes {
				for _, b := range n.Bitmaps {
					if n.Name != imageNode || b.Name != want.name {
						continue
					}
					switch {
					case want.recording && !b.Recording:
						return fmt.Errorf("the %s's dirty bitmap %s does not record", s.Name(), b.Name)
					case want.persistent && !b.Persistent, want.transient && b.Persistent:
						return fmt.Errorf("the %s's dirty bitmap %s is persistent: %t, expected %t", s.Name(), b.Name, b.Persistent, want.persistent)
					case want.count >= 0 && b.Count != want.count:
						return fmt.Errorf("the %s's dirty bitmap %s has %d bytes as written, expected %d", s.Name(), b.Name, b.Count, want.count)
					}
					return nil
				}
			}
			return fmt.Errorf("the %s's image has no dirty bitmap %s", s.Name(), want.name)
		})
	})
}
