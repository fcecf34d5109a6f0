package steps

import (
	"context"
	"errors"
	"fmt"

	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
)

func xbzrleVerbs() migration.Vocabulary {
	return migration.Vocabulary{
		{
			Name: "await xbzrle-pages", Args: "NUMBER",
			Doc:     "Waits until the source has sent so many XBZRLE-encoded pages.",
			Example: "await xbzrle-pages 1000",
			Step:    func(a *migration.Args) migration.Step { return AwaitXBZRLEPages(int64(a.Int("the number"))) },
		},
		{
			Name: "expect xbzrle-pages", Args: "BOUNDS",
			Doc:     "How many XBZRLE-encoded pages the source has sent.",
			Example: "expect xbzrle-pages >= 1000",
			Step:    func(a *migration.Args) migration.Step { return ExpectXBZRLEPages(a.Bounds()) },
		},
		{
			Name: "expect xbzrle-page-bytes", Args: "BOUNDS",
			Doc:     "How many bytes an XBZRLE-encoded page has on average: few for those of the workload, in each of which one byte changes.",
			Example: "expect xbzrle-page-bytes 1..32",
			Step:    func(a *migration.Args) migration.Step { return ExpectXBZRLEPageBytes(a.Bounds()) },
		},
	}
}

// onXBZRLE is a step that wants a migration with XBZRLE.
func onXBZRLE(name string, do func(ctx context.Context, p *migration.Pair) error) migration.Step {
	s := onMigration(name, do)
	s.Wants = append(s.Wants, "enable xbzrle")
	return s
}

// AwaitXBZRLEPages waits until so many XBZRLE-encoded pages have been sent.
func AwaitXBZRLEPages(pages int64) migration.Step {
	return onXBZRLE(fmt.Sprintf("await xbzrle-pages %d", pages), func(ctx context.Context, p *migration.Pair) error {
		sent := int64(0)
		err := migration.Poll(ctx, "XBZRLE-encoded pages", func() (bool, error) {
			x, err := xbzrle(ctx, p.Source)
			if err == nil {
				sent = x.Pages
			}
			return sent >= pages, err
		})
		if err != nil {
			err = fmt.Errorf("the source reports that it has sent %d XBZRLE-encoded pages, expected %d: %w", sent, pages, err)
		}
		return err
	})
}

// ExpectXBZRLEPages gathers how many XBZRLE-encoded pages were sent.
func ExpectXBZRLEPages(bounds record.Bounds) migration.Step {
	return onXBZRLE("expect xbzrle-pages "+bounds.String(), func(ctx context.Context, p *migration.Pair) error {
		x, err := xbzrle(ctx, p.Source)
		if err != nil {
			return err
		}
		p.Measure("XBZRLE-encoded pages", float64(x.Pages), "pages", bounds)
		return nil
	})
}

// ExpectXBZRLEPageBytes gathers how many bytes an XBZRLE-encoded page has on average.
func ExpectXBZRLEPageBytes(bounds record.Bounds) migration.Step {
	return onXBZRLE("expect xbzrle-page-bytes "+bounds.String(), func(ctx context.Context, p *migration.Pair) error {
		x, err := xbzrle(ctx, p.Source)
		if err != nil {
			return err
		}
		p.Measure("size of an XBZRLE-encoded page", float64(x.Bytes)/float64(max(1, x.Pages)), "bytes", bounds)
		return nil
	})
}

// xbzrle returns what a side reports of its cache.
func xbzrle(ctx context.Context, s *migration.Side) (*qapi.XBZRLEStats, error) {
	info, err := qapi.QueryMigrate(ctx, s.QMP())
	if err != nil {
		return nil, err
	}
	if info.XBZRLE == nil {
		return nil, errors.New("query-migrate has no xbzrle-cache")
	}
	return info.XBZRLE, nil
}
