package cli

import (
	"encoding/json"

	"github.com/jmespath/go-jmespath"
	"github.com/spf13/cobra"
)

// query is a JMESPath expression over the JSON output, as az has it.
type query struct{ expression *jmespath.JMESPath }

func queryFlag(cmd *cobra.Command, to *string) {
	cmd.Flags().StringVar(to, "query", "", "`JMESPath` over the JSON output, as az has it")
}

// jsonQuery has a command with a query print JSON, unless the user asks for something else.
func jsonQuery(cmd *cobra.Command, query string, output *string) error {
	if query == "" {
		return nil
	}
	if cmd.Flags().Changed("output") && *output != "json" {
		return usagef("--query is for -o json; leave -o out or change it")
	}
	*output = "json"
	return nil
}

// parseQuery reads an expression; "" asks for everything.
func parseQuery(s string) (query, error) {
	if s == "" {
		return query{}, nil
	}
	x, err := jmespath.Compile(s)
	if err != nil {
		return query{}, usagef("the query %q is no JMESPath: %w", s, err)
	}
	return query{x}, nil
}

// apply evaluates the query on the JSON form of a value: JMESPath does not know the names that Go structs have in JSON.
func (q query) apply(v any) (any, error) {
	if q.expression == nil {
		return v, nil
	}
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var decoded any
	if err := json.Unmarshal(text, &decoded); err != nil {
		return nil, err
	}
	found, err := q.expression.Search(decoded)
	if err != nil {
		return nil, usagef("the query does not fit the output: %w", err)
	}
	return found, nil
}
