package migration

func postcopyTLS() []Scenario { return nil }
