package launcher_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/drover-vm/drover/internal/qemutest"
	"github.com/drover-vm/drover/launcher"
)

// words splits at blanks.
func words(line string) []string { return strings.Fields(line) }

func TestArgumentsThatNoLaunchedQEMUCanHaveAreRefused(t *testing.T) {
	for _, test := range []struct {
		args   []string
		option string // that is named
		why    string
	}{
		{words("-version"), "-version", "exit"},
		{words("--version"), "--version", "exit"},
		{words("-m 100 -help"), "-help", "exit"},
		{words("-h"), "-h", "exit"},
		{words("-device help"), "-device help", "exit"},
		{words("-device ?"), "-device '?'", "exit"},
		{words("-device virtio-net-pci,help"), "-device virtio-net-pci,help", "exit"},
		{words("-M help"), "-M help", "exit"},
		{words("-cpu ?"), "-cpu '?'", "exit"},
		{words("-object memory-backend-ram,help"), "-object memory-backend-ram,help", "exit"},
		{words("-netdev help"), "-netdev help", "exit"},
		{words("-d help"), "-d help", "exit"},
		{words("-L help"), "-L help", "exit"},
		{words("-audio-help"), "-audio-help", "exit"},
		{words("-dump-vmstate x.json"), "-dump-vmstate x.json", "exit"},
		{words("-machine virt,dumpdtb=x"), "-machine virt,dumpdtb=x", "exit"},
		{words("-daemonize"), "-daemonize", "leave drover"},
		{words("-accel tcg,thread=single"), "-accel tcg,thread=single", "accelerator"},
		{words("-machine pc,accel=kvm"), "-machine pc,accel=kvm", "accelerator"},
		{words("-enable-kvm"), "-enable-kvm", "accelerator"},
		{words("-qtest unix:x"), "-qtest unix:x", "qtest"},
		{words("-object qtest,id=q,chardev=c"), "-object qtest,id=q,chardev=c", "qtest"},
		{[]string{"-object", `{"qom-type": "qtest", "id": "q"}`}, `-object '{"qom-type": "qtest", "id": "q"}'`, "qtest"},
		{words("-qmp stdio"), "-qmp stdio", "standard input"},
		{words("-monitor stdio"), "-monitor stdio", "standard input"},
		{words("-serial mon:stdio"), "-serial mon:stdio", "standard input"},
		{words("-gdb stdio"), "-gdb stdio", "standard input"},
		{words("-chardev stdio,id=c,mux=on -mon chardev=c"), "-chardev stdio,id=c,mux=on", "standard input"},
		{words("-chardev null,id=drover-qmp"), "-chardev null,id=drover-qmp", "drover's own"},
		{[]string{"-device", "x\ny,help"}, `"-device x\ny,help"`, "exit"},
		{[]string{"-device", strings.Repeat("x", 1000) + ",help"}, "-device x", "exit"},
	} {
		for _, check := range []func([]string) error{launcher.CheckArgs, launcher.CheckPairArgs} {
			err := check(test.args)
			var refused *launcher.ArgError
			require.ErrorAs(t, err, &refused, "%q", test.args)
			require.True(t, strings.HasPrefix(refused.Option, test.option), "%q", refused.Option)
			require.Contains(t, refused.Reason, test.why)
			require.NotEmpty(t, refused.Remedy)
			require.NotContains(t, err.Error(), "\n")
			require.Less(t, len(err.Error()), 400)
		}
	}
}

func TestArgumentsThatOnlyOneQEMUOfTwoCanHaveAreRefused(t *testing.T) {
	for _, test := range []struct{ args, what string }{
		{"-S", "starts and stops"},
		{"-incoming tcp:0:4444", "where the destination listens"},
		{"-incoming defer", "where the destination listens"},
		{"-preconfig", "before it makes the machine"},
		{"-pidfile /run/x.pid", "the file /run/x.pid"},
		{"-s", "port 1234"},
		{"-gdb tcp::4321", "port 4321"},
		{"-gdb unix:/tmp/gdb,server=on,wait=off", "socket /tmp/gdb"},
		{"-vnc :1", "display :1"},
		{"-vnc 127.0.0.1:0,password=on", "display 127.0.0.1:0"},
		{"-vnc unix:/tmp/vnc", "socket /tmp/vnc"},
		{"-display vnc=:2", "display :2"},
		{"-spice port=5930,disable-ticketing=on", "port 5930"},
		{"-spice unix=on,addr=/tmp/spice", "socket /tmp/spice"},
		{"-netdev user,id=n0,hostfwd=tcp:127.0.0.1:2222-:22 -device e1000,netdev=n0", "TCP port 2222"},
		{"-netdev user,id=n0,hostfwd=tcp::0-:22,hostfwd=udp:my-host:53-:53", "UDP port 53"},
		{"-nic user,hostfwd=::8080-10.0.2.15:80", "TCP port 8080"},
		{"-nic user,hostfwd=tcp:[::1]:2222-:22", "TCP port 2222"},
		{`-netdev {"type":"user","id":"n","hostfwd":[{"str":"tcp::2222-:22"}]}`, "TCP port 2222"},
		{"-netdev tap,id=n,ifname=tap0,script=no", "interface tap0"},
		{"-netdev socket,id=n,listen=:1234", "port 1234"},
		{"-netdev stream,id=n,server=on,addr.type=unix,addr.path=/tmp/s", "socket /tmp/s"},
		{"-netdev stream,id=n,server=on,addr.type=inet,addr.host=h,addr.port=99", "port 99"},
		{"-netdev dgram,id=n,local.type=inet,local.port=98,remote.type=inet", "port 98"},
		{"-netdev vhost-vdpa,id=n,vhostdev=/dev/vhost-vdpa-0", "/dev/vhost-vdpa-0"},
		{"-qmp unix:/tmp/q,server=on,wait=off", "socket /tmp/q"},
		{"-qmp unix:/tmp/a=b,server,nowait", "socket /tmp/a=b"},
		{"-qmp-pretty tcp:localhost:4444,server=on", "port 4444"},
		{"-monitor telnet::4445,server,nowait", "port 4445"},
		{"-serial mon:tcp::4446,server=on", "port 4446"},
		{"-serial udp::4555@:4556", "UDP port 4556"},
		{"-chardev socket,id=c,path=/tmp/c,,d,server=on,wait=off", "socket /tmp/c,d"},
		{"-chardev socket,id=c,host=0,port=4447,server", "port 4447"},
		{"-chardev udp,id=c,host=h,port=1,localport=4448", "UDP port 4448"},
		{"-object memory-backend-file,id=r,size=150M,mem-path=/nowhere/ram,share=on", "map /nowhere/ram as their RAM"},
		{`-object {"qom-type":"memory-backend-file","id":"r","size":1,"mem-path":"/nowhere/ram","share":true}`, "map /nowhere/ram"},
		{"-device vfio-pci,host=01:00.0", "device 01:00.0"},
		{"-device usb-host,hostbus=1,hostaddr=2", "USB device"},
		{"-device vhost-vsock-pci,guest-cid=3", "vsock address 3"},
		{"-chardev socket,id=fs,path=/run/fs -device vhost-user-fs-pci,chardev=fs,tag=x", "backend at /run/fs"},
		{"-chardev socket,id=t,path=/run/t -tpmdev emulator,id=t0,chardev=t", "backend at /run/t"},
		{"-tpmdev passthrough,id=t0", "TPM"},
	} {
		require.NoError(t, launcher.CheckArgs(words(test.args)), "one QEMU can have it: %s", test.args)
		err := launcher.CheckPairArgs(words(test.args))
		var refused *launcher.ArgError
		require.ErrorAs(t, err, &refused, test.args)
		require.ErrorContains(t, err, test.what)
		require.NotEmpty(t, refused.Remedy)
		require.Contains(t, err.Error(), " can't be given: ")
	}
}

func TestOrdinaryArgumentsPass(t *testing.T) {
	for _, args := range []string{
		"",
		"-m 512 -smp 2 -cpu max,-svm -machine q35,smm=off -nographic -no-reboot -nodefaults",
		"-append -S -kernel -version -name -daemonize",                 // values
		"-append help -fw_cfg opt/x,string=help -k help -boot menu=on", // any text
		"-device virtio-net-pci,netdev=n0 -netdev user,id=n0,hostfwd=tcp::0-:22,hostfwd=tcp:127.0.0.1:-:22",
		"-netdev user,id=n0,guestfwd=tcp:10.0.2.100:1234-tcp:127.0.0.1:80",
		"-netdev tap,id=n,script=no -netdev socket,id=m,connect=:1234 -netdev socket,id=o,mcast=230.0.0.1:1234",
		"-gdb tcp::0 -vnc none -vnc :1,to=99 -vnc host:5500,reverse=on -display none -display gtk",
		"-serial null -serial file:x.log -serial pty -monitor none -qmp unix:x -chardev socket,id=c,path=x",
		"-qmp tcp::0,server=on -chardev socket,id=d,host=h,port=1,to=9,server=on -chardev socket,id=e,fd=7,server=on",
		"-chardev file,id=drovers,path=x -chardev pty,id=p -debugcon file:debug.log",
		"-object memory-backend-memfd,id=r,size=1G,share=on -machine memory-backend=r -object memory-backend-shm,id=s,size=1G",
		"-object memory-backend-file,id=r,size=1G,mem-path=/nowhere/ram -object memory-backend-file,id=q,size=1M,mem-path=/rom,share=on,readonly=on",
		"-device vfio-pci -device vhost-user-fs-pci,chardev=none -tpmdev emulator,id=t,chardev=none",
		"disk.img -hda other.img -drive file=x,if=virtio -",
		"-device", // QEMU says that a value is missing
	} {
		require.NoError(t, launcher.CheckPairArgs(words(args)), args)
	}
	require.NoError(t, launcher.CheckPairArgs([]string{"", "-", "--", "-object", "{", "-object", "", "-vnc", "", "-netdev", "user,hostfwd="}))
	require.NoError(t, launcher.CheckPairArgs([]string{
		"-object", launcher.Option("memory-backend-file", "id", "r", "size", "1M", "mem-path", t.TempDir(), "share", "on"),
	}), "each makes a file of its own in a folder")
}

func TestLaunchRefusesWhatCanNotBeLaunched(t *testing.T) {
	_, err := launcher.Launch(t.Context(), launcher.Config{Args: words("-device help")})
	require.ErrorAs(t, err, new(*launcher.ArgError))
}

// TestOptionsWithoutAValueAreKnown asks QEMU itself: what is behind such an option
// is an option again.
func TestOptionsWithoutAValueAreKnown(t *testing.T) {
	inHelp := regexp.MustCompile(`(?m)^--?([a-z][a-z0-9-]*|[SMLDdgk])\b`)
	for _, binary := range qemutest.Binaries(t, "x86_64") {
		t.Run(qemutest.Version(t, binary), func(t *testing.T) {
			t.Parallel()
			help, err := exec.CommandContext(t.Context(), binary, "-help").Output()
			require.NoError(t, err)
			names := map[string]bool{}
			for _, found := range inHelp.FindAllStringSubmatch(string(help), -1) {
				names[found[1]] = true
			}
			require.Greater(t, len(names), 80)
			for name := range names {
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				cmd := exec.CommandContext(ctx, binary, "-"+name, "-version", "-help")
				cmd.Dir = t.TempDir() // some write a file of the name that is given
				out, _ := cmd.CombinedOutput()
				cancel()
				if strings.Contains(string(out), "not supported") || strings.Contains(string(out), "is disabled") {
					continue // by this build, which doesn't tell
				}
				takesNone := strings.HasPrefix(string(out), "QEMU emulator version") && !strings.Contains(string(out), "usage:")
				// Where the second word is an option, it is refused; where it is a value, it is not.
				err := launcher.CheckArgs([]string{"-" + name, "-version"})
				refused := err != nil && strings.HasPrefix(err.Error(), "-version ")
				if err == nil || refused { // else it is the first word that is refused
					require.Equal(t, takesNone, refused, "-%s, of %s", name, filepath.Base(binary))
				}
			}
		})
	}
}
