//go:build race

package rbac

// underRace is whether the race detector runs, under which everything takes ten times as long.
const underRace = true
