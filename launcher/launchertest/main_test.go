package launchertest_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/drover-vm/drover/internal/fakeprocess"
	"github.com/drover-vm/drover/launcher"
)

func TestMain(m *testing.M) {
	fakeprocess.Main()
	_ = os.Setenv(launcher.SlotsVariable, "0") // these tests don't wait for others
	goleak.VerifyTestMain(m)
}
