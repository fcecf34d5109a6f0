package migration

import (
	"context"
	"errors"
	"fmt"

	"github.com/drover-vm/drover/protocol/qapi"

	"github.com/drover-vm/drover/migration/record"
)

// AwaitDifferences waits until so many pages were sent as differences.
func AwaitDifferences(pages int64) Step {
	return Step{Name: fmt.Sprintf("await %d pages sent as differences", pages), Do: func(ctx context.Context, p *Pair) error {
		sent := int64(0)
		err := poll(ctx, "pages to be sent as differences", func() (bool, error) {
			x, err := p.Source.xbzrle(ctx)
			if err == nil {
				sent = x.Pages
			}
			return sent >= pages, err
		})
		if err != nil {
			err = fmt.Errorf("the source says that it has sent %d pages as differences, expected %d: %w", sent, pages, err)
		}
		return err
	}}
}

// SeeXBZRLE gathers how pages were sent that were sent again: as differences,
// which for the workload's, one byte a page, are short.
func SeeXBZRLE(pages int64) Step {
	return Step{Name: "see xbzrle's counters", Do: func(ctx context.Context, p *Pair) error {
		x, err := p.Source.xbzrle(ctx)
		if err != nil {
			return err
		}
		p.measure("pages sent as differences", float64(x.Pages), "pages", record.AtLeast(float64(pages)))
		p.measure("size of a difference", float64(x.Bytes)/float64(max(1, x.Pages)), "bytes", record.Between(1, 32))
		return nil
	}}
}

// xbzrle returns what the side says of its cache.
func (s *Side) xbzrle(ctx context.Context) (*qapi.XBZRLEStats, error) {
	info, err := qapi.QueryMigrate(ctx, s.QMP())
	if err != nil {
		return nil, err
	}
	if info.XBZRLE == nil {
		return nil, errors.New("query-migrate says nothing of an xbzrle cache")
	}
	return info.XBZRLE, nil
}
