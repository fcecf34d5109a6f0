package migration

// A Slot is where a step of a run leaves something for a later one: each run has its own.
// It is made once, as a package's variable, and never copied:
//
//	var speedBefore migration.Slot[float64]
//
//	*speedBefore.Of(p) = 260 // in one step
//	fmt.Println(*speedBefore.Of(p)) // in another
type Slot[T any] struct {
	_ byte // so that no two slots have the same address
}

// Of returns what a run has in the slot: the zero value at first. The steps of a run come
// one after another, and what they start beside themselves must not call it.
func (s *Slot[T]) Of(p *Pair) *T {
	if p.slots == nil {
		p.slots = map[any]any{}
	}
	have, ok := p.slots[s].(*T)
	if !ok {
		have = new(T)
		p.slots[s] = have
	}
	return have
}
