package steps

import (
	"context"
	"errors"
	"os"
	"strings"

	"github.com/drover-vm/drover/protocol/qapi"
	"github.com/drover-vm/drover/protocol/qmp"

	"github.com/drover-vm/drover/migration"
	"github.com/drover-vm/drover/migration/record"
)

func saveVerbs() migration.Vocabulary {
	return migration.Vocabulary{
		{
			Name: "save", Args: "[passed-file [until RELEASE]]",
			Doc:     "Begins to send the guest into {dir}/stream: by its name where the source has file:, else by a descriptor that it is passed, and by that in any case with passed-file; with until, a QEMU of that release or newer may refuse it.",
			Example: "save passed-file until 10.1",
			Step: func(a *migration.Args) migration.Step {
				if a.Option("passed-file") {
					return SavePassedFile(a.Until())
				}
				return Save()
			},
		},
		{
			Name: "await saved", Doc: "Waits until the guest has stopped on the source, and all has been sent into the file.", Example: "await saved",
			Step: do(AwaitSaved),
		},
		{
			Name: "load", Args: "[passed-file [until RELEASE] | readers THREADS fds FDS direct FDS]",
			Doc:     "Makes the destination read what was saved: by the URI that was migrated to where it has file:, else by a descriptor that it is passed, and by that in any case with passed-file; with until, a QEMU of that release or newer may refuse it; with readers, it waits until all is read, and gathers how many of the multifd threads read pages, how many descriptors of the file there are, and how many of those have O_DIRECT.",
			Example: "load readers 4 fds 5 direct 0",
			Step: func(a *migration.Args) migration.Step {
				switch {
				case a.Option("passed-file"):
					return LoadPassedFile(a.Until())
				case a.Option("readers"):
					return LoadWithReaders(fileUse(a))
				}
				return Load()
			},
		},
	}
}

// fileTransport is what the schema has of a QEMU that opens files by their name (file:).
const fileTransport = "migrate channels addr transport file"

// Save begins to send the guest into the file: by its name where the source can, else
// by a descriptor.
func Save() migration.Step {
	return saveStep("save", func(ctx context.Context, p *migration.Pair) error {
		p.URI = "file:" + p.Path(streamFile)
		named, err := p.Source.HasSchema(ctx, fileTransport)
		if err != nil {
			return err
		}
		if !named {
			return savePassedFile(ctx, p)
		}
		return p.MigrateTo(ctx, qapi.MigrateArguments{URI: p.URI})
	})
}

// SavePassedFile begins to send the guest into a file that the source has only as a
// descriptor. A QEMU that is as new as until, if that isn't empty, may refuse, which its
// schema doesn't show it.
func SavePassedFile(until migration.Release) migration.Step {
	return saveStep("save passed-file", func(ctx context.Context, p *migration.Pair) error {
		p.URI = "file:" + p.Path(streamFile)
		return tookUntil(p.Source, savePassedFile(ctx, p), until)
	})
}

// tookUntil is the error of a side that did not take a file's descriptor: what it refuses
// makes a skip where it is as new as until, if that isn't empty.
func tookUntil(side *migration.Side, err error, until migration.Release) error {
	if refused, ok := errors.AsType[*qmp.Error](err); ok {
		return side.RefusedSince(refused.Desc, "", until)
	}
	return err
}

func saveStep(name string, run func(ctx context.Context, p *migration.Pair) error) migration.Step {
	return migration.Step{Name: name, Phase: record.PhasePasses, Gives: []string{"save", "migrate"}, Do: run}
}

func savePassedFile(ctx context.Context, p *migration.Pair) error {
	f, err := os.OpenFile(p.Path(streamFile), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := p.Source.PassFD(ctx, fdName, f); err != nil {
		return err
	}
	return p.MigrateTo(ctx, qapi.MigrateArguments{URI: "fd:" + fdName})
}

// AwaitSaved waits until the guest has stopped on the source, and all has been sent.
func AwaitSaved() migration.Step {
	await := onMigration("await saved", func(ctx context.Context, p *migration.Pair) error { return p.Source.Completes(ctx, "STOP") })
	await.Phase = record.PhaseSwitchover
	return await
}

// Load makes the destination read what was saved: by the URI that was migrated to, or,
// where it opens no files by their name, by a descriptor.
func Load() migration.Step {
	return loadStep("load", func(ctx context.Context, p *migration.Pair) error {
		uri, err := loadURI(ctx, p)
		if err != nil {
			return err
		}
		return p.ListenOn(ctx, qapi.IncomingArguments{URI: uri})
	})
}

// LoadPassedFile makes the destination read it from a descriptor of its own. A QEMU that is
// as new as until, if that isn't empty, may refuse, as with [SavePassedFile].
func LoadPassedFile(until migration.Release) migration.Step {
	return loadStep("load passed-file", func(ctx context.Context, p *migration.Pair) error {
		uri, err := passFile(ctx, p, p.Path(streamFile))
		if err != nil {
			return err
		}
		return tookUntil(p.Destination, p.ListenOn(ctx, qapi.IncomingArguments{URI: uri}), until)
	})
}

// loadStep is a step that makes the destination, which must be there, read a file.
func loadStep(name string, run func(ctx context.Context, p *migration.Pair) error) migration.Step {
	return onFile(name, "await saved", func(ctx context.Context, p *migration.Pair) error {
		return each(p, migration.DestinationName, func(*migration.Side) error { return run(ctx, p) })
	})
}

// loadURI is from where the destination is to read what was saved.
func loadURI(ctx context.Context, p *migration.Pair) (uri string, err error) {
	path, ok := strings.CutPrefix(p.URI, "file:")
	if !ok {
		return "", errors.New("the guest was not saved into a file: save it, or migrate to file:{dir}/stream, before this step")
	}
	named, err := p.Destination.HasSchema(ctx, fileTransport)
	if err != nil || named || strings.Contains(path, ",") || strings.HasPrefix(path, "/dev/fdset/") {
		return p.URI, err
	}
	return passFile(ctx, p, path)
}

// passFile passes a file to the destination for reading, and returns where it is to read.
func passFile(ctx context.Context, p *migration.Pair, path string) (uri string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	return "fd:" + fdName, p.Destination.PassFD(ctx, fdName, f)
}
