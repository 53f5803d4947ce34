package azure

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
)

func TestErrorBody(t *testing.T) {
	for _, c := range []struct {
		err  Error
		want string
	}{
		{Error{Code: "NotFound", Message: "There is none."}, `{"error":{"code":"NotFound","message":"There is none."}}`},
		{Error{}, `{"error":{"code":"","message":""}}`},
		{Error{Code: "Bad", Message: `a "quote"`, Target: "name", Details: []*Error{{Code: "Inner", Message: "m", Status: 400}, {Code: "Other", Message: "n", Target: "t"}}},
			`{"error":{"code":"Bad","message":"a \"quote\"","target":"name","details":[{"code":"Inner","message":"m"},{"code":"Other","message":"n","target":"t"}]}}`},
	} {
		if got := string(c.err.Body()); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
		inner, err := json.Marshal(map[string]any{"error": &c.err})
		if err != nil || string(inner) != c.want {
			t.Errorf("marshals to %s, %v\nwant %s", inner, err, c.want)
		}
	}
}

func TestErrorIsFoundBehindWrapping(t *testing.T) {
	err := fmt.Errorf("read the cluster: %w", &Error{Status: 404, Code: "ResourceNotFound", Message: "no"})
	var azure *Error
	if !errors.As(err, &azure) || azure.Status != 404 || err.Error() != "read the cluster: (ResourceNotFound) no" {
		t.Errorf("%v", err)
	}
}
