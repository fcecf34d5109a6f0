package migration

func analyze() []Scenario { return nil }
