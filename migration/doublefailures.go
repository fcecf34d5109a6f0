package migration

func doubleFailures() []Scenario { return nil }
