// Package bench says what migration costs: which migrations to measure, what was measured of
// each, which differences are beyond noise, and which settings keep a downtime.
//
// A [Plan] makes points of axes, such as methods and dirty rates, and puts their repetitions
// in a random order. Each is a scenario file ([Point.Scenario]), run as any other and judged
// as any other; [Measured] takes its numbers from the record. [Compare] holds two files of
// [Results] against each other by a test of significance, and [Results.Advise] answers with
// evidence.
package bench
