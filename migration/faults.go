package migration

func linkFaults() []Scenario { return nil }
