package estate

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/iotest"
)

// A collection is read piece by piece as it is read whole, wherever the pieces end.
func TestStream(t *testing.T) {
	var docs []string
	docs = append(docs, `{"version":"2025-01-01","document":`+bareCluster+`}`)
	for i := range 5000 {
		docs = append(docs, `{"document":`+fmt.Sprintf(`{"id":"/subscriptions/%s/providers/Microsoft.Authorization/roleAssignments/e0000000-0000-0000-0000-%012d","properties":{"principalId":"a0000000-0000-0000-0000-%012d","principalType":"ServicePrincipal","roleDefinitionId":"/providers/Microsoft.Authorization/roleDefinitions/b24988ac-6180-42a0-ab88-20f7382dd24c","scope":"/subscriptions/%s"}}`, platform, i, i+1, platform)+`}`)
	}
	docs = append(docs, `{"document":{"id":"/subscriptions/`+platform+`/providers/Microsoft.Authorization/roleAssignments/bad","properties":{"description":"a \"quoted\\\" text"}}}`)
	text := "\xef\xbb\xbf{ \"aksidCollection\" :1,\"from\":\"azure\",\"documents\": [" + strings.Join(docs, " ,\n") + "], \"objects\":[{\"id\":\"a0000000-0000-0000-0000-000000000001\",\"displayName\":\"x\"}] , \"answered\":null,\"listed\":[\"" + platform + "\"]}\n"
	whole := load(t, Files{Path: write(t, "saved.json", strings.Replace(text, `{ "aksidCollection" :1,`, `{ "note": 1, "aksidCollection" :1,`, 1))})
	pieces := load(t, Files{Path: write(t, "saved.json", text)})
	for _, e := range []*Estate{whole, pieces} {
		n := 0
		for range e.Policy.Grants() {
			n++
		}
		if n != 5000 || len(e.Clusters) != 1 || e.PrincipalName(controlPlaneOID) != "x" || e.Assignments(platform) != 5000 {
			t.Errorf("%d grants, %d clusters, %d assignments, named %s", n, len(e.Clusters), e.Assignments(platform), e.PrincipalName(controlPlaneOID))
		}
	}
	in := filesReader{builder: newBuilder(""), listed: map[string]bool{}}
	if err := in.readCollection(context.Background(), iotest.OneByteReader(strings.NewReader(text))); err != nil || len(in.grants) != 5000 {
		t.Errorf("%d grants, %v", len(in.grants), err)
	}
}

func TestStreamErrors(t *testing.T) {
	for text, want := range map[string]string{
		`{"aksidCollection":1`: "ends in the middle",
		`{"aksidCollection":1,"documents":[{"document":{"id":"x`:                                    "ends in the middle",
		`{"aksidCollection":1,"documents":[{"document":{}}]}`:                                       "document 0",
		`{"aksidCollection":1,"documents":[{"document":{"id":"/subscriptions/a"}},{"document":7}]}`: "document 1",
		`{"aksidCollection":1,"documents":[,]}`:                                                     "document 0",
		`{"aksidCollection":1,"documents":{}}`:                                                      "was expected",
		`{"aksidCollection":1} x`:                                                                   "something follows",
		`{"aksidCollection":1,"documents":[` + strings.Repeat("[", 200):                             "nested deeper",
		`{"aksidCollection":1,2:3}`:                                                                 "not JSON",
	} {
		_, err := Files{Path: write(t, "saved.json", text)}.Load(context.Background())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v, want %q", text, err, want)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	in := filesReader{builder: newBuilder(""), listed: map[string]bool{}}
	many := `{"aksidCollection":1,"documents":[` + strings.Repeat(`{"document":{"id":"/subscriptions/a","properties":{}}},`, 100_000) + `{}]}`
	if err := in.readCollection(ctx, strings.NewReader(many)); err == nil {
		t.Error("it reads on although it was interrupted")
	}
	if err := in.readCollection(context.Background(), iotest.ErrReader(errors.New("gone"))); err == nil || !strings.Contains(err.Error(), "gone") {
		t.Errorf("a broken reader: %v", err)
	}
}

// Reading by pieces and as a whole agree on what is JSON and on what it says.
func FuzzStream(f *testing.F) {
	f.Add(`{"aksidCollection":1,"documents":[{"document":` + bareCluster + `}],"objects":[{}],"listed":["x"]}`)
	f.Add(`{"aksidCollection":1,"documents":[{"document":{"id":"/a/\"\\"}}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		if !streams(bufio.NewReader(strings.NewReader(text))) {
			return
		}
		in := filesReader{builder: newBuilder(""), listed: map[string]bool{}}
		err := in.readCollection(context.Background(), strings.NewReader(text))
		v, bad := decodeText([]byte(text))
		m, _ := v.(map[string]any)
		if bad != nil && err == nil {
			t.Errorf("read what is no JSON: %v", bad)
		}
		if bad == nil && err == nil && len(m) > 0 {
			other := filesReader{builder: newBuilder(""), listed: map[string]bool{}}
			if other.restore(m) == nil && len(other.grants) != len(in.grants) {
				t.Errorf("%d grants by pieces, %d as a whole", len(in.grants), len(other.grants))
			}
		}
	})
}
