package migration

func cpr() []Scenario { return nil }
