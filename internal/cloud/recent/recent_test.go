package recent

import "testing"

// What is in use stays, what is not goes; a newer value is never followed by an older one.
func TestMap(t *testing.T) {
	m := New[int, int](10)
	m.Put(-1, 0, 1)
	for i := range 1000 {
		m.Put(i, i, 1+i%3)
		m.Put(-1, i, 1)
		if v, ok := m.Get(-1); !ok || v != i {
			t.Fatalf("after %d others: %d, %v", i+1, v, ok)
		}
		if v, ok := m.Get(i); !ok || v != i {
			t.Fatalf("%d: %d, %v", i, v, ok)
		}
		if m.size > 10 || m.Len() > 20 {
			t.Fatalf("%d entries, %d in the young half", m.Len(), m.size)
		}
	}
	if _, ok := m.Get(0); ok {
		t.Error("the first is still there")
	}
	m.Drop(-1)
	if _, ok := m.Get(-1); ok {
		t.Error("what was dropped is still there")
	}
	m.Put(7, 7, 100)
	if v, ok := m.Get(7); !ok || v != 7 {
		t.Errorf("one that is larger than a half: %d, %v", v, ok)
	}
}
