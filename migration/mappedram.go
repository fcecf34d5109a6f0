package migration

func mappedRAM() []Scenario { return nil }
