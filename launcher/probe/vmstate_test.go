package probe_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/launcher/probe"
)

func TestEveryQEMUSaysWhatItsDevicesSend(t *testing.T) {
	for _, binary := range qemutest.Binaries(t, "x86_64") {
		t.Run(qemutest.Version(t, binary), func(t *testing.T) {
			text, err := probe.VMState(t.Context(), binary, "q35")
			require.NoError(t, err)
			var types map[string]struct {
				Description struct {
					Name string `json:"name"`
				}
			}
			require.NoError(t, json.Unmarshal(text, &types))
			require.Equal(t, "mc146818rtc", types["mc146818rtc"].Description.Name)
			require.Equal(t, "serial", types["isa-serial"].Description.Name)

			_, err = probe.VMState(t.Context(), binary, "nonsense")
			require.ErrorContains(t, err, "nonsense")
		})
	}
}

func TestWhatIsNoJSONIsNoVMState(t *testing.T) {
	q := newFakeQEMU(t, "9.9.9", "echo {")
	_, err := probe.VMState(t.Context(), q.path, "q35")
	require.ErrorContains(t, err, "no JSON")
}
