package qapi_test

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

var update = flag.Bool("update", false, "record the replies again, from the QEMUs that are there")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
