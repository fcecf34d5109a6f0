package migration

func multifdTLSScenarios() []Scenario { return nil }
