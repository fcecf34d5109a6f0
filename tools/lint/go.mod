// The linters of this project, pinned in a module of their own, so that whoever
// imports a package of the main module inherits none of what they are made of.
// "make lint" runs them; "go get -tool <tool>@<version>" in this folder moves one.
//
// govulncheck is not among them: it does nothing without the database at
// vuln.go.dev, and these checks must run where only a module proxy is reachable.
module github.com/drover-vm/drover/tools/lint

go 1.26.0

tool (
	honnef.co/go/tools/cmd/staticcheck
	mvdan.cc/gofumpt
)

require (
	github.com/BurntSushi/toml v1.4.1-0.20240526193622-a339e1f7089c // indirect
	golang.org/x/exp/typeparams v0.0.0-20231108232855-2478ac86f678 // indirect
	golang.org/x/mod v0.42.0 // indirect
	golang.org/x/sync v0.24.0 // indirect
	golang.org/x/tools v0.52.0 // indirect
	honnef.co/go/tools v0.8.2 // indirect
	mvdan.cc/gofumpt v0.12.0 // indirect
)
