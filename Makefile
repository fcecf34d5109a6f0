# What can be done here. "make help" says it in a few lines.
#
# Nothing here needs root or touches the system: the QEMUs that the tests run are
# those named by DROVER_QEMU or found in PATH, or else private copies in the
# user's cache folder.

GO ?= go
FUZZTIME ?= 60s

# The targets that the tests run on.
TARGETS = x86_64 i386 ppc64 aarch64 riscv64 s390x
BENCH ?= .

# As it is released: without C. Guests' programs are built so too, and the standard library then once.
export CGO_ENABLED ?= 0

# A program built with the race detector sleeps for a second before it exits, and the tests
# start hundreds of them.
export GORACE ?= atexit_sleep_ms=0

# What others build on, and where goroutines meet. The race detector makes a test two to three times as
# slow, and all that these need, the standard library too, is built a second time for it.
RACED = ./launcher ./protocol/... ./migration/internal/... ./internal/... ./host

# The whole catalogue of scenarios on each target, what guests notice of each kind of memory and of what
# was done to them, and what each QEMU declares. These are bound by CPU, so nothing runs beside them.
CATALOGUE = ^Test(Migration|EveryMemoryBackendIsCompared|LinuxGuestsArrive|WhatAGuestLostIsInItsPulse|EachReleaseDeclaresWhatItIsKnownTo)$$

# What takes long for what it may find, and "make test" so leaves to "make slow": guests of other targets
# and Linux guests that are tampered with; features that are left out, to see whether it is noticed; a bench
# of all methods; ppc64's firmware as a guest, but for two scenarios; scenarios that need KVM, which is slow
# where there is no hardware for it; and of those that are of one kind, some.
SLOW_TESTS = \
	^TestWhatAn?(AArch64|S390X|PPC64|RISCV)Guest \
	^TestWorkersNotice \
	^TestA(DiskThatArrives|TPMThatArrives|DestinationWithoutWhatWasPlugged) \
	^TestFeatureThatDoesNothingIsNoticed$$ \
	^TestEveryMethodIsMeasuredAndProven$$ \
	^TestVersions$$/^version$$/^(5.2-1|7.2-11|10.0-5|11.1-[57]) \
	^TestStrangerAfterTheLastLook.*/^(precopy|multifd)$$/^tcp$$/^(plain_G|tls) \
	^TestEveryMemoryBackendIsCompared$$/^memory$$/0x1[47] \
	^TestMigration$$/^ppc64$$/^(bad_dest|deprecated|postcopy)$$ \
	^TestMigration$$/^x86_64$$/^(dirty_ring|pages|vcpu_dirty_limit)$$ \
	^TestMigration$$/^x86_64$$/^again$$/^(multifd|unix|xbzrle)$$ \
	^TestMigration$$/^x86_64$$/^announce$$/^postcopy$$ \
	^TestMigration$$/^x86_64$$/^auto_converge$$/. \
	^TestMigration$$/^x86_64$$/^exact$$/^device-types$$/^pc$$ \
	^TestMigration$$/^x86_64$$/^fault$$/^corrupt$$/^(block|footer|section|version) \
	^TestMigration$$/^x86_64$$/^fault$$/^(cut|kill-dest)$$/^(pre-switchover|setup)$$ \
	^TestMigration$$/^x86_64$$/^limits$$/^postcopy-bandwidth$$/. \
	^TestMigration$$/^x86_64$$/^memory$$/^above-4GiB$$/^(multifd|postcopy)$$ \
	^TestMigration$$/^x86_64$$/^memory$$/^devices$$/^(multifd|xbzrle)$$ \
	^TestMigration$$/^x86_64$$/^multifd$$/^tcp$$/^tls$$/^x509$$/-(client|host)$$ \
	^TestMigration$$/^x86_64$$/^pingpong$$/^reset$$ \
	^TestMigration$$/^x86_64$$/^postcopy$$/^(preempt|recovery)$$/^(recovery|tls)$$/^(tls|psk)$$ \
	^TestMigration$$/^x86_64$$/^postcopy$$/^tls$$ \
	^TestMigration$$/^x86_64$$/^precopy$$/^tcp$$/^tls$$/^x509$$/^(allow|expired|foreign|friendly|override) \
	^TestMigration$$/^x86_64$$/^precopy$$/^unix$$/^tls$$/^x509$$/^override \
	^TestMigration$$/^x86_64$$/^scale$$/^[24]GiB$$ \
	^TestMigration$$/^x86_64$$/^smp$$/^2$$/^auto_converge$$ \
	^TestMigration$$/^x86_64$$/^smp$$/^4$$
space := $(subst ,, )
SLOW = $(subst $(space),|,$(strip $(SLOW_TESTS)))

# GNU as of the guest programs' targets, which the tests of our assembler compare with.
BINUTILS = $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/drover/binutils

# The linters live in a module of their own: see tools/lint/go.mod.
LINT = $(GO) tool -modfile=tools/lint/go.mod

.DEFAULT_GOAL := help

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: setup-run ## move a real guest from one QEMU to another and prove that nothing was lost
	$(GO) run ./cmd/drover run

# "make lint" has go vet.
TESTED = DROVER_CI=1 $(GO) test -vet=off -timeout 20m

# The longest first, and three at a time, as the launcher's tests wait more than they work.
ORDERED = ./migration ./cmd/drover ./launcher ./migration/steps ./launcher/launchertest ./migration/record . ./guest ./launcher/probe ./tools/torture ./migration/bench ./...

.PHONY: test
test: ready ## set up the QEMUs that the tests need, then check what is generated, and run the tests
	@$(MAKE) --no-print-directory check-generate
	$(TESTED) -parallel 3 ./migration -run '$(CATALOGUE)' -skip '$(SLOW)'
	PATH="$$PATH:$(BINUTILS)/usr/bin" LD_LIBRARY_PATH="$$(echo $(BINUTILS)/usr/lib/*-linux-gnu | tr ' ' :)" $(TESTED) -p 3 -skip '$(CATALOGUE)|$(SLOW)' $(ORDERED)
	qemu=$$($(GO) run ./cmd/drover fleet ensure x86_64) && cd examples && DROVER_QEMU="$$qemu" $(TESTED) ./...

# Where nothing is built yet and nothing fetched, the tests are compiled while QEMU is downloaded. What
# both need comes first, as two go commands don't share what they are at. A quarter of what compiling
# takes is the compiler's garbage collection, where it is left to itself.
COMPILE = GOGC=400 $(GO)

.PHONY: ready compile
ready: go
	$(COMPILE) build -o /dev/null ./cmd/drover # the first time this takes a minute, without output
	@$(MAKE) --no-print-directory --jobs=2 setup-test compile
compile:
	$(COMPILE) list -test -export ./... > /dev/null # compiles the tests

.PHONY: race
race: export CGO_ENABLED = 1
race: cc setup-test ## run the tests of what others build on under the race detector; RACED=./... has all
	DROVER_CI=1 $(GO) test -race -timeout 40m -p 3 -skip '$(SLOW)' $(RACED)

.PHONY: slow
slow: setup-test setup-slow ## run the tests that take long and that "make test" leaves alone: most tamper with live guests, and each witness has to notice
	DROVER_CI=1 $(GO) test -count=1 -timeout 40m ./migration ./migration/bench -run '$(SLOW)'

# "make test" has one QEMU, and what that lacks is not run there.
.PHONY: catalogue
catalogue: go ## run every scenario but those with Linux guests on each QEMU of the fleet: half an hour or more
	$(GO) run ./cmd/drover fleet fetch
	$(GO) run ./cmd/drover run --fleet

.PHONY: lint
lint: ## formatting, go vet and staticcheck, all pinned
	@echo 'gofumpt -l .'; unformatted=$$($(LINT) gofumpt -l .) || exit 1; \
	if [ -n "$$unformatted" ]; then \
		echo "not formatted; run: $(LINT) gofumpt -w ." >&2; echo "$$unformatted" >&2; exit 1; \
	fi
	$(GO) vet ./...
	cd examples && $(GO) vet ./...
	$(LINT) staticcheck ./...

# The programs that make the pages have the boot programs in them, which so come first.
.PHONY: generate
generate: ## make again what is generated: the boot programs' bytes, docs/scenarios.md, docs/coverage.md, docs/cli and docs/man
	$(GO) generate ./fixtures
	$(GO) generate ./...

# What the picture in README.md shows: a way to move a guest of each kind.
SHOWN = precopy/unix/plain postcopy/plain postcopy/recovery/plain exact/ram/precopy

.PHONY: pictures
pictures: setup-run ## record again what the pictures in README.md show, and draw them; needs Chromium for the pages, and minutes on a quiet host for the bench
	@set -eu; kept=$$(mktemp); trap 'rm -f "$$kept"' EXIT; \
	printf '%s\n' '$$ drover run $(SHOWN)' > "$$kept"; \
	$(GO) run ./cmd/drover run $(SHOWN) >> "$$kept"; \
	cp "$$kept" docs/pictures/run.txt; \
	$(GO) run ./tools/gen-picture docs/pictures/run.txt docs/pictures/run.svg
	@set -eu; kept=$$(mktemp -d); trap 'rm -rf "$$kept"' EXIT; \
	$(GO) run ./cmd/drover bench --report "$$kept"; \
	cp "$$kept/bench.json" migration/report/testdata/bench.json
	$(GO) test ./migration/report -count=1 -run '^TestPicturesOfTheDocuments$$' -pictures "$(CURDIR)/docs/pictures"

.PHONY: check-generate
check-generate: ## delete what is generated, make it again, find no difference
	@set -eu; kept=$$(mktemp -d); trap 'rm -rf "$$kept"' EXIT; \
	files="$$(find . -name '*_gen.go') docs/scenarios.md docs/coverage.md $$(find docs/cli docs/man -type f)"; tar -cf "$$kept/before.tar" $$files; \
	mkdir "$$kept/before"; tar -xf "$$kept/before.tar" -C "$$kept/before"; \
	rm -f $$files; \
	if ! { $(GO) generate ./fixtures && $(GO) generate ./...; }; then tar -xf "$$kept/before.tar"; echo 'generating failed; put back what was there' >&2; exit 1; fi; \
	for f in $$files; do diff -u "$$kept/before/$$f" "$$f"; done; \
	echo "generated $$(echo $$files | wc -w) files again: no difference"

.PHONY: check-bench
check-bench: setup-run ## hold drover bench against itself, on a quiet host: no difference where there is none, and worse where it is
	$(GO) test -count=1 -timeout 30m ./migration/bench -run 'IsWorse$$' -compare

.PHONY: bench
bench: ## run the benchmarks; BENCH=REGEXP chooses some
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem ./...

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (60s), one after the other
	@set -eu; found=0; for package in $$($(GO) list ./...); do \
		tests=$$($(GO) test -list '^Fuzz' "$$package"); \
		for target in $$(echo "$$tests" | grep '^Fuzz'); do \
			found=$$((found + 1)); echo "$$package $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime '$(FUZZTIME)' -fuzzminimizetime 1s "$$package"; \
		done; \
	done; echo "$$found fuzz targets ran"

TORTURE ?=

.PHONY: torture
torture: setup-run ## try to break drover for some minutes: kill it, feed it bad files, start it in strange environments and with QEMUs that misbehave
	$(GO) run ./tools/torture -qemu "$$($(GO) run ./cmd/drover fleet ensure x86_64)" $(TORTURE)

.PHONY: fleet
fleet: ## fetch the QEMUs that the tests use into the user's cache, and list them
	$(GO) run ./cmd/drover fleet ensure $(TARGETS)
	$(GO) run ./cmd/drover fleet list

.PHONY: setup-run setup-test setup-slow
setup-run: go
	$(GO) run ./cmd/drover fleet ensure x86_64 # the first time this builds drover: a minute without output
setup-test: go
	$(GO) run ./cmd/drover fleet ensure $(TARGETS)
	$(GO) run ./cmd/drover fleet fetch kernels --arch x86_64
	tools/gen-bootsect/fetch-binutils.sh "$(BINUTILS)"
setup-slow:
	$(GO) run ./cmd/drover fleet fetch full-kernels --arch x86_64

# What an older Go says of go.mod doesn't tell a person that it is too old.
.PHONY: go cc
go:
	@found=$$($(GO) version) || { echo 'drover is built with Go 1.26, or with Go 1.21 or later, which fetches it: https://go.dev/dl' >&2; exit 1; }; \
	case "$$found" in 'go version go1.'[0-9][.\ ]*|'go version go1.1'[0-9]*|'go version go1.20'*) \
		echo "this is $$found: drover is built with Go 1.26, or with Go 1.21 or later, which fetches it: https://go.dev/dl, or on Debian 12 apt install -t bookworm-backports golang-go" >&2; exit 1;; \
	esac
cc:
	@[ "$$(env -u CGO_ENABLED $(GO) env CGO_ENABLED)" = 1 ] || { echo 'the race detector needs a C compiler: apt install gcc libc6-dev, or what this system calls them' >&2; exit 1; }
