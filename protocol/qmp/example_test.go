package qmp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/drover-vm/drover/protocol/fakeqemu"
	"github.com/drover-vm/drover/protocol/qmp"
	"github.com/drover-vm/drover/protocol/qmp/schema"
	"github.com/drover-vm/drover/protocol/transcript"
)

// The simple case: connect, execute a command, wait for what it causes, close. A
// fake plays the monitor here; [qmp.Dial] connects to a real one.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	qemu := fakeqemu.New(fakeqemu.Config{})
	defer qemu.Close()

	session, err := qmp.New(ctx, qemu.QMP(), qmp.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()
	fmt.Println("QEMU", session.Greeting().Version)

	event, err := session.ExecuteWait(ctx, "stop", nil, nil, "STOP")
	if err != nil {
		log.Fatal(err)
	}
	var status struct{ Status string }
	if err := session.Execute(ctx, "query-status", nil, &status); err != nil {
		log.Fatal(err)
	}
	fmt.Println(event.Name, status.Status)
	// Output:
	// QEMU 10.0.0
	// STOP paused
}

// fake returns a session with a fake, for the examples below.
func fake(o qmp.Options) (context.Context, *fakeqemu.QEMU, *qmp.Session) {
	ctx := context.Background()
	qemu := fakeqemu.New(fakeqemu.Config{})
	session, err := qmp.New(ctx, qemu.QMP(), o)
	if err != nil {
		log.Fatal(err)
	}
	return ctx, qemu, session
}

// Branch on the class of an error, never on its text.
func ExampleError() {
	ctx, qemu, session := fake(qmp.Options{})
	defer qemu.Close()
	defer session.Close()

	err := session.Execute(ctx, "migrate-teleport", nil, nil)
	if refused, ok := errors.AsType[*qmp.Error](err); ok && refused.Class == qmp.CommandNotFound {
		fmt.Println("this QEMU is too old for it")
	}
	// Output: this QEMU is too old for it
}

// Mark, act, wait from the mark: what came before is not taken for what was
// caused, and what comes before anyone waits is found.
func ExampleSession_Wait() {
	ctx, qemu, session := fake(qmp.Options{})
	defer qemu.Close()
	defer session.Close()
	deleted := func(device string) { qemu.Emit("DEVICE_DELETED", map[string]string{"device": device}) }
	deleted("net0") // long ago

	if _, err := session.Wait(ctx, 0, "DEVICE_DELETED"); err != nil {
		log.Fatal(err)
	}
	before := session.Mark()
	deleted("net1")
	event, err := session.Wait(ctx, before, "DEVICE_DELETED", "DEVICE_UNPLUG_GUEST_ERROR")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(event.Name, string(event.Data))
	// Output: DEVICE_DELETED {"device":"net1"}
}

func ExampleSession_WaitFunc() {
	ctx, qemu, session := fake(qmp.Options{})
	defer qemu.Close()
	defer session.Close()
	for _, status := range []string{"setup", "active", "completed"} {
		qemu.Emit("MIGRATION", map[string]string{"status": status})
	}

	event, err := session.WaitFunc(ctx, 0, func(e qmp.Event) bool {
		var data struct{ Status string }
		return e.Name == "MIGRATION" && e.Decode(&data) == nil && data.Status == "completed"
	})
	fmt.Println(event.Place, err)
	// Output: 2 <nil>
}

// A reader that fell behind is told how much it lost, and goes on.
func ExampleSession_Events() {
	ctx, qemu, session := fake(qmp.Options{EventLog: 3})
	defer qemu.Close()
	defer session.Close()
	qemu.Flood(10, "BLOCK_IO_ERROR", nil)
	if _, err := session.Wait(ctx, 9); err != nil { // the tenth has come
		log.Fatal(err)
	}

	for event, err := range session.Events(ctx, 0) {
		if lost, ok := errors.AsType[*qmp.LostError](err); ok {
			fmt.Println("lost", lost.Lost)
			continue
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(event.Place, string(event.Data))
		if event.Place == 9 {
			break
		}
	}
	// Output:
	// lost 7
	// 7 {"seq":7}
	// 8 {"seq":8}
	// 9 {"seq":9}
}

// Out of band, a question overtakes a command that hangs.
func ExampleSession_Alive() {
	ctx, qemu, session := fake(qmp.Options{})
	defer qemu.Close()
	defer session.Close()
	qemu.Handle("device_add", func(fakeqemu.Command) (any, error) { <-qemu.Done(); return nil, nil })

	short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	err := session.Execute(short, "device_add", map[string]string{"driver": "e1000"}, nil)
	fmt.Println(errors.Is(err, context.DeadlineExceeded), session.Alive(ctx))
	// Output: true <nil>
}

func ExampleSession_ExecuteOOB() {
	ctx, qemu, session := fake(qmp.Options{})
	defer qemu.Close()
	defer session.Close()

	if !session.OOB() {
		return // QEMU before 2.12, or Options.NoOOB
	}
	var yankable []json.RawMessage
	fmt.Println(session.ExecuteOOB(ctx, "query-yank", nil, &yankable), len(yankable))
	// Output: <nil> 0
}

// A schema checks arguments before they are sent.
func ExampleOptions_check() {
	var known *schema.Schema
	ctx, qemu, session := fake(qmp.Options{Check: func(command string, arguments json.RawMessage) error {
		if known == nil {
			return nil // not asked yet
		}
		return known.Check(command, arguments)
	}})
	defer qemu.Close()
	defer session.Close()

	var err error
	if known, err = schema.Query(ctx, session); err != nil {
		log.Fatal(err)
	}
	err = session.Execute(ctx, "query-statsu", nil, nil)
	_, unsent := errors.AsType[*qmp.ArgumentError](err)
	fmt.Println(unsent, err)
	// Output: true qmp: query-statsu was not sent: schema: query-statsu: this QEMU has no such command; did you mean query-status?
}

// A transcript of all that goes over the wire, which fakeqemu can replay.
func ExampleOptions_trace() {
	w := transcript.NewWriter(os.Stdout)
	hideTime := func(m transcript.Message) { m.Time = time.Time{}; w.Trace(m) }
	ctx, qemu, session := fake(qmp.Options{Trace: hideTime, NoOOB: true})
	defer qemu.Close()
	defer session.Close()
	if err := session.Execute(ctx, "query-target", nil, nil); err != nil {
		log.Fatal(err)
	}
	// Output:
	// 0.000000 < {"QMP":{"capabilities":["oob"],"version":{"package":"fakeqemu","qemu":{"major":10,"micro":0,"minor":0}}}}
	// 0.000000 > {"execute":"qmp_capabilities","id":1}
	// 0.000000 < {"return":{},"id":1}
	// 0.000000 > {"execute":"query-target","id":2}
	// 0.000000 < {"return":{"arch":"x86_64"},"id":2}
}
