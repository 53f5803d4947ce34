package failure

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"aksid/internal/azure"
)

// repeater is a stream of n bytes made of the same lines over and over.
type repeater struct {
	lines []byte
	n, at int
}

func (r *repeater) Read(p []byte) (int, error) {
	if r.at >= r.n {
		return 0, io.EOF
	}
	n := copy(p, r.lines[r.at%len(r.lines):])
	n = min(n, r.n-r.at)
	r.at += n
	return n, nil
}

const refusal = "E0102 03:04:05.678901       1 controller.go:310] error processing service default/web (will retry): failed to ensure load balancer: Retriable: false, RetryAfter: 0s, HTTPStatusCode: 403, RawError: {\"error\":{\"code\":\"LinkedAuthorizationFailed\",\"message\":\"The client '1442fc09-c8a7-4a17-afcc-9d1f5a51a96d' with object id '1442fc09-c8a7-4a17-afcc-9d1f5a51a96d' has permission to perform action 'Microsoft.Network/loadBalancers/write' on scope '/subscriptions/67b3f86f-7406-4d59-ad4f-ea5dae40a329/resourceGroups/mc/providers/Microsoft.Network/loadBalancers/kubernetes'; however, it does not have permission to perform action(s) 'Microsoft.Network/virtualNetworks/subnets/join/action' on the linked scope(s) '/subscriptions/67b3f86f-7406-4d59-ad4f-ea5dae40a329/resourceGroups/hub/providers/Microsoft.Network/virtualNetworks/v/subnets/s' (respectively) or the linked scope(s) are invalid.\"}}\n"

// logs are streams: one line in n is a refusal.
func logs(n int) []byte {
	var b bytes.Buffer
	for i := range n {
		if i == 0 {
			b.WriteString(refusal)
			continue
		}
		fmt.Fprintf(&b, "I0102 03:04:%02d.%06d       1 httplog.go:132] \"HTTP\" verb=\"GET\" URI=\"/api/v1/namespaces/kube-system/pods/coredns-%d\" latency=\"%d.123ms\" userAgent=\"kubelet/v1.29.15\" audit-ID=\"4a1f\" srcIP=\"10.0.0.%d:4711\" resp=200\n", i%60, i, i, i%9, i%250)
	}
	return b.Bytes()
}

// TestStream: a long stream takes no more memory than a short one, and every refusal is counted.
func TestStream(t *testing.T) {
	lines := logs(50)
	ParseString(refusal) // makes the tables that stay
	for _, size := range []int{1 << 20, 8 << 20} {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		var c Collector
		if err := c.Read(&repeater{lines: lines, n: size}); err != nil {
			t.Fatal(err)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		failures := c.Failures()
		if want := size / len(lines); len(failures) != 1 || failures[0].Count < want || failures[0].Count > want+1 {
			t.Fatalf("%d failures, the first counted %d times, want %d", len(failures), failures[0].Count, want)
		}
		if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 4<<20 {
			t.Errorf("%d bytes of stream leave %d bytes in memory", size, grown)
		}
	}
}

// TestHostileStreams: what is made to be slow or large is neither.
func TestHostileStreams(t *testing.T) {
	for name, unit := range map[string]string{
		"one line": "x", "open quotes": "The client '", "many clauses": "has permission to perform action ", "backslashes": `\\\\`,
		"nested json": `{"a":[`, "open strings": `{"a":"`, "codes": `Code="LinkedAuthorizationFailed" `, "unknown codes": `"code":"SomethingNew" `,
		"entities": "&amp;", "colours": "\x1b[31m", "box": "│", "other principals": "", "AADSTS": "AADSTS", "not utf-8": "\xff\xfe", "pod/": "[pod/",
	} {
		t.Run(name, func(t *testing.T) {
			lines := []byte(unit)
			if unit == "" {
				var b bytes.Buffer
				for range 2000 {
					b.WriteString(strings.ReplaceAll(refusal, "1442fc09-c8a7-4a17-afcc-9d1f5a51a96d", azure.NewGUID().String()))
				}
				lines = b.Bytes()
			}
			var c Collector
			if err := c.Read(&repeater{lines: lines, n: 2 << 20}); err != nil {
				t.Fatal(err)
			}
			if n := len(c.Failures()); n > MaxFailures {
				t.Errorf("%d failures", n)
			}
		})
	}
}

// TestDropped: beyond MaxFailures occurrences are counted.
func TestDropped(t *testing.T) {
	var c Collector
	for range MaxFailures + 7 {
		if err := c.Read(strings.NewReader(strings.ReplaceAll(refusal, "1442fc09-c8a7-4a17-afcc-9d1f5a51a96d", azure.NewGUID().String()))); err != nil {
			t.Fatal(err)
		}
	}
	if len(c.Failures()) != MaxFailures || c.Dropped() != 7 {
		t.Errorf("%d kept, %d dropped", len(c.Failures()), c.Dropped())
	}
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestReadError(t *testing.T) {
	if failures, err := Parse(io.MultiReader(strings.NewReader(refusal), failingReader{})); err == nil || len(failures) > 1 {
		t.Errorf("error %v, %d failures", err, len(failures))
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range samples(f) {
		f.Add(s.Text)
	}
	f.Add(refusal)
	f.Fuzz(func(t *testing.T, text string) {
		for _, x := range ParseString(text) {
			if x.Kind == "" || x.Count < 1 || x.Cause == "" || x.Actor == "" {
				t.Fatalf("incomplete: %+v", x)
			}
		}
	})
}

func BenchmarkStream(b *testing.B) {
	for name, n := range map[string]int{"one line in 1000": 1000, "one line in 10": 10, "every line": 1} {
		b.Run(name, func(b *testing.B) {
			lines := logs(n)
			const size = 32 << 20
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				var c Collector
				if err := c.Read(&repeater{lines: lines, n: size}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
