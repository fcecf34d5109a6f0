package launcher_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/drover-vm/drover/launcher"
)

// FuzzCheckPairArgs holds that no argument, however broken, does more than be refused in
// one line.
func FuzzCheckPairArgs(f *testing.F) {
	for _, args := range []string{
		"-netdev\x00user,id=n0,hostfwd=tcp:127.0.0.1:2222-:22", "-nic\x00user,hostfwd=-", "-netdev\x00user,hostfwd=unix:",
		"-netdev\x00{\"type\":\"user\",\"hostfwd\":[{\"str\":\"::1-:\"}]}", "-object\x00{\"qom-type\":[null,1e999,{}]}",
		"-qmp\x00unix:,server", "-serial\x00udp:@", "-gdb\x00tcp:", "-vnc\x00,", "-vnc\x00unix:", "-display\x00vnc=",
		"-chardev\x00socket,server,port=,,", "-device\x00?", "-S", "--", "-\x00-", "",
	} {
		f.Add(args)
	}
	f.Fuzz(func(t *testing.T, args string) {
		words := strings.Split(args, "\x00")
		one, both := launcher.CheckArgs(words), launcher.CheckPairArgs(words)
		if one != nil && both == nil {
			t.Errorf("%q: one QEMU can't have it, and two can: %v", words, one)
		}
		for _, err := range []error{one, both} {
			if refused, ok := errors.AsType[*launcher.ArgError](err); err != nil && (!ok || refused.Remedy == "" || refused.Reason == "") {
				t.Errorf("%q: %v", words, err)
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("%q: more than a line: %q", words, err)
			}
		}
	})
}
