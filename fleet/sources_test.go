package fleet

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheSystemsSourcesOfItsOwnReleaseAreUsed(t *testing.T) {
	h := newFakeHost(t)
	h.write(t, "etc/apt/sources.list", `# comment
deb [arch=amd64 signed-by=/k] http://a.test/debian bookworm main # why
deb-src http://a.test/debian bookworm main
deb	http://security.test/debian-security bookworm-security/updates main
deb http://third.test/apt stable main
debris
deb [broken
`)
	h.write(t, "etc/apt/sources.list.d/debian.sources", `# a comment
Types: deb deb-src
URIs: http://mirror.test/debian
# inside
Suites: bookworm
 bookworm-updates
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc

Types: deb
URIs: http://off.test/debian
Suites: bookworm
Enabled: no

Types: deb-src
URIs: http://src.test/debian
Suites: bookworm
`)
	h.write(t, "etc/apt/sources.list.d/ignored.save", "deb http://saved.test/debian bookworm main\n")
	files, err := h.fleet.sourcesFor(bookworm(t, h))
	require.NoError(t, err)
	require.Equal(t, map[string]string{
		"system.list": `deb [arch=amd64 signed-by=/k] http://a.test/debian bookworm main
deb	http://security.test/debian-security bookworm-security/updates main
`,
		"system.sources": `Types: deb
URIs: http://mirror.test/debian
Suites: bookworm
 bookworm-updates
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc
`,
	}, files)
}

func TestADerivativesSourcesAreAllUsed(t *testing.T) {
	h := newFakeHost(t)
	h.write(t, "etc/os-release", "ID=kali\n")
	h.write(t, "etc/apt/sources.list.d/debian.sources", "")
	h.write(t, "etc/apt/sources.list", "deb http://kali.test/kali kali-rolling main\n")
	r, err := h.fleet.Distribution()
	require.NoError(t, err)
	require.Equal(t, "distribution", r.Suite)
	files, err := h.fleet.sourcesFor(r)
	require.NoError(t, err)
	require.Equal(t, "deb http://kali.test/kali kali-rolling main\n", files["system.list"])

	h.write(t, "etc/apt/sources.list", "")
	_, err = h.fleet.sourcesFor(r)
	require.ErrorContains(t, err, "no sources")
}

func TestOtherReleasesComeFromTheHostsOwnMirror(t *testing.T) {
	h := newFakeHost(t)
	files, err := h.fleet.sourcesFor(Releases()[3])
	require.NoError(t, err)
	require.Contains(t, files["debian.sources"], "URIs: http://mirror.test/debian\nSuites: trixie trixie-backports\n")
	require.Contains(t, files["debian.sources"], "Signed-By: "+h.root+"/usr/share/keyrings/debian-archive-keyring.gpg")

	h.env["DROVER_DEBIAN_MIRROR"] = "http://archive.test/debian"
	require.Equal(t, "http://archive.test/debian", h.fleet.debianMirror())
	delete(h.env, "DROVER_DEBIAN_MIRROR")
	h.write(t, "etc/os-release", "ID=ubuntu\nVERSION_CODENAME=noble\n")
	require.Equal(t, defaultMirror, h.fleet.debianMirror())
}

func FuzzSourcesAreReadWithoutPanic(f *testing.F) {
	f.Add("deb [a=b] http://x bookworm main\n")
	f.Add("Types: deb\nURIs: x\nSuites: a\n b\n\nTypes: deb\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, s := range append(oneLineSources(text), deb822Sources(text)...) {
			_ = s.covers("bookworm")
		}
		parseURIs(text)
		parseStatus(text)
		aptLine(text)
	})
}
