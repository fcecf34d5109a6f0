package schema

import (
	"encoding/json"
	"sync/atomic"
)

// A Guard is a Check for the Options of a session whose schema can only be asked
// for over that session. Until it has one it lets every command pass.
//
//	var guard schema.Guard
//	session, err := qmp.New(ctx, conn, qmp.Options{Check: guard.Check})
//	s, err := schema.Query(ctx, session)
//	guard.Use(s)
//
// The zero Guard is ready; its methods may be called by many goroutines at once.
type Guard struct{ schema atomic.Pointer[Schema] }

// Use gives the guard its schema; nil lets every command pass again.
func (g *Guard) Use(s *Schema) { g.schema.Store(s) }

// Check is [Schema.Check] of the schema in use.
func (g *Guard) Check(command string, arguments json.RawMessage) error {
	if s := g.schema.Load(); s != nil {
		return s.Check(command, arguments)
	}
	return nil
}
