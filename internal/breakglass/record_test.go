package breakglass

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"aksid/internal/azure"
)

var (
	oncall = Person{Object: azure.MustGUID("b0000000-0000-0000-0000-000000000001"), Name: "oncall"}
	start  = time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
)

func newFile(t *testing.T) File {
	t.Helper()
	return File{Path: filepath.Join(t.TempDir(), "record.jsonl"), Wait: time.Second}
}

func appendOne(t *testing.T, f File, id string) {
	t.Helper()
	_, err := f.Append(context.Background(), func(*Record) (Entry, error) {
		return Entry{Verb: Lapse, Request: id, By: oncall, At: start}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// lines writes a record of five entries and returns its lines.
func lines(t *testing.T, f File) []string {
	t.Helper()
	for i := range 5 {
		appendOne(t, f, fmt.Sprint("bg-", i+1))
	}
	text, err := os.ReadFile(f.Path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.SplitAfter(strings.TrimSuffix(string(text), "\n"), "\n")
}

// Whatever is done to a record is found, and the line is named.
func TestDamage(t *testing.T) {
	f := newFile(t)
	whole := lines(t, f)
	whole[4] += "\n"
	for _, c := range []struct {
		name   string
		damage func([]string) []string
		want   string // the problems; "": none
	}{
		{"as written", func(l []string) []string { return l }, ""},
		{"Windows line ends", func(l []string) []string {
			return strings.SplitAfter(strings.ReplaceAll(strings.Join(l, ""), "\n", "\r\n"), "\n")
		}, ""},
		{"a line changed", func(l []string) []string { l[1] = strings.Replace(l[1], "bg-2", "bg-9", 1); return l },
			"line 2: it was changed after it was written; line 3: it does not follow from the line before, which was changed or replaced after this one was written"},
		{"the last line changed", func(l []string) []string { l[4] = strings.Replace(l[4], "oncall", "nobody", 1); return l },
			"line 5: it was changed after it was written"},
		{"a line taken out", func(l []string) []string { return append(l[:2], l[3:]...) },
			"line 3: it has number 4 where 3 was expected: lines were taken out or put in"},
		{"the first line taken out", func(l []string) []string { return l[1:] },
			"line 1: it has number 2 where 1 was expected: lines were taken out or put in"},
		{"a line twice", func(l []string) []string { return append(l[:5], l[4]) },
			"line 6: it has number 5, as the line before: two have written at once, or one was copied"},
		{"lines exchanged", func(l []string) []string { l[1], l[2] = l[2], l[1]; return l }, "line 2: it has number 3 where 2 was expected"},
		{"no entry", func(l []string) []string { return append(l, "<<<<<<< HEAD\n") }, "line 6: it is no entry of a break-glass record"},
		{"an empty line", func(l []string) []string { return append(l, "\n") }, "line 6: it is no entry of a break-glass record"},
		{"a member too many", func(l []string) []string { l[4] = strings.Replace(l[4], `{"n"`, `{"x":1,"n"`, 1); return l }, "line 5: it is no entry"},
	} {
		text := strings.Join(c.damage(append([]string{}, whole...)), "")
		rec, err := Read(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, p := range rec.Problems {
			got = append(got, p.String())
		}
		if all := strings.Join(got, "; "); !strings.HasPrefix(all, c.want) || c.want == "" && all != "" {
			t.Errorf("%s:\n%s, want\n%s", c.name, all, c.want)
		}
	}
}

// Two branches of a repository that both added a line are found.
func TestFork(t *testing.T) {
	f := newFile(t)
	base := strings.Join(lines(t, f), "") + "\n"
	tail := func(id string) string {
		if err := os.WriteFile(f.Path, []byte(base), 0o600); err != nil {
			t.Fatal(err)
		}
		appendOne(t, f, id)
		text, _ := os.ReadFile(f.Path)
		return strings.TrimPrefix(string(text), base)
	}
	if err := os.WriteFile(f.Path, []byte(base+tail("ours")+tail("theirs")), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := f.Read()
	var damaged *Damaged
	if !errors.As(err, &damaged) || len(damaged.Problems) != 1 || damaged.Problems[0].Line != 7 {
		t.Fatalf("%v", err)
	}
	if _, err := f.Append(context.Background(), func(*Record) (Entry, error) { return Entry{}, nil }); !errors.As(err, &damaged) {
		t.Errorf("a line was added to a damaged record: %v", err)
	}
}

// A write that was interrupted leaves half a line, which the next one replaces.
func TestTornLine(t *testing.T) {
	f := newFile(t)
	all := lines(t, f)
	torn := strings.Join(all[:4], "") + all[4][:20]
	if err := os.WriteFile(f.Path, []byte(torn), 0o600); err != nil {
		t.Fatal(err)
	}
	rec, err := f.Read()
	if err != nil || len(rec.Entries) != 4 {
		t.Fatalf("%d entries, %v", len(rec.Entries), err)
	}
	appendOne(t, f, "bg-new")
	if rec, err = f.Read(); err != nil || len(rec.Entries) != 5 || rec.Entries[4].Request != "bg-new" {
		t.Errorf("%+v, %v", rec.Entries, err)
	}
}

// Many writers at once make one chain.
func TestWritersAtOnce(t *testing.T) {
	f := newFile(t)
	f.Wait = time.Minute
	var tasks sync.WaitGroup
	for i := range 8 {
		tasks.Go(func() {
			for j := range 5 {
				_, err := f.Append(context.Background(), func(*Record) (Entry, error) {
					return Entry{Verb: Lapse, Request: fmt.Sprint(i, "-", j), By: oncall, At: start}, nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	tasks.Wait()
	if rec, err := f.Read(); err != nil || len(rec.Entries) != 40 {
		t.Errorf("%d entries, %v", len(rec.Entries), err)
	}
}

// A lock that nobody takes away is named, and not broken.
func TestLeftLock(t *testing.T) {
	f := newFile(t)
	f.Wait = time.Millisecond
	if err := os.WriteFile(f.Path+".lock", []byte("process 1"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := f.Append(context.Background(), func(*Record) (Entry, error) { return Entry{}, nil })
	if err == nil || !strings.Contains(err.Error(), f.Path+".lock says \"process 1\"; if that run is no more, remove the file") {
		t.Error(err)
	}
}

// What make refuses is not written, and leaves no lock behind.
func TestRefusedEntry(t *testing.T) {
	f := newFile(t)
	no := errors.New("no")
	if _, err := f.Append(context.Background(), func(*Record) (Entry, error) { return Entry{}, no }); !errors.Is(err, no) {
		t.Error(err)
	}
	appendOne(t, f, "bg-1")
}

func FuzzRead(f *testing.F) {
	e, err := sealed(Entry{Number: 1, Verb: Ask, Request: "bg-1", Asked: &Asked{Grants: []Wanted{{}}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(append(e, '\n'))
	f.Add([]byte("{\"n\":1}\n\n"))
	f.Add([]byte(`{"n":2,"do":"grant","grant":-1}` + "\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		rec, err := Read(bytes.NewReader(text))
		if err != nil {
			return
		}
		for _, c := range rec.Cases() {
			_ = c.Text(start)
		}
	})
}
