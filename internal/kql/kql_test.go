package kql

import (
	"encoding/json"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// events is a small activity log, resources a small Resource Graph table.
const events = `[
 {"TimeGenerated":"2026-11-24T11:59:00Z","Caller":"a","OperationNameValue":"MICROSOFT.NETWORK/LOADBALANCERS/WRITE","ActivityStatusValue":"Failure","Level":"Error","Properties":"{\"statusCode\":\"Forbidden\",\"n\":3}"},
 {"TimeGenerated":"2026-11-24T11:20:00Z","Caller":"b","OperationNameValue":"MICROSOFT.NETWORK/LOADBALANCERS/WRITE","ActivityStatusValue":"Success","Level":"Informational","Properties":"{}"},
 {"TimeGenerated":"2026-11-24T10:10:00Z","Caller":"a","OperationNameValue":"MICROSOFT.AUTHORIZATION/ROLEASSIGNMENTS/WRITE","ActivityStatusValue":"Success","Level":"Informational","Properties":null},
 {"TimeGenerated":"2026-11-22T10:00:00Z","Caller":"a","OperationNameValue":"MICROSOFT.COMPUTE/DISKS/WRITE","ActivityStatusValue":"Failure","Level":"Error","Properties":"{}"}]`

const resources = `[
 {"id":"/c/1","name":"one","type":"microsoft.containerservice/managedclusters","location":"westeurope","tags":{"team":"x"},"properties":{"kubernetesVersion":"1.33","agentPoolProfiles":[{"name":"p1","count":3},{"name":"p2","count":1}]},"identity":{"principalId":"P1"}},
 {"id":"/c/2","name":"two","type":"microsoft.containerservice/managedclusters","location":"northeurope","tags":null,"properties":{"kubernetesVersion":"1.34","agentPoolProfiles":[{"name":"q","count":2}]}},
 {"id":"/v/1","name":"net","type":"microsoft.network/virtualnetworks","location":"westeurope","properties":{}}]`

const grants = `[{"principal":"P1","role":"Reader"},{"principal":"P1","role":"AcrPull"},{"principal":"P9","role":"Owner"}]`

func tables(name string) (iter.Seq[Row], bool) {
	text, ok := map[string]string{"AzureActivity": events, "resources": resources, "grants": grants}[name]
	if !ok {
		return nil, false
	}
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var all []Row
	if err := dec.Decode(&all); err != nil {
		panic(err)
	}
	for _, r := range all {
		if at, ok := toTime(r["TimeGenerated"]); ok {
			r["TimeGenerated"] = at
		}
	}
	return slices.Values(all), true
}

// render is a table as text: columns, then rows, joined by bars.
func render(t *Table) string {
	lines := []string{strings.Join(t.Columns, "|")}
	for _, r := range t.Rows {
		cells := make([]string, len(r))
		for i, v := range r {
			cells[i] = str(v)
		}
		lines = append(lines, strings.Join(cells, "|"))
	}
	return strings.Join(lines, "\n")
}

func TestQueries(t *testing.T) {
	cases := []struct{ query, want string }{
		{`AzureActivity | where ActivityStatusValue == 'Failure' | project Caller, Level`, "Caller|Level\na|Error\na|Error"},
		{`AzureActivity | where ActivityStatusValue =~ "failure" and TimeGenerated > ago(1d) | project Caller`, "Caller\na"},
		{`AzureActivity | where TimeGenerated between (datetime(2026-11-24 11:00) .. datetime(2026-11-24T12:00:00Z)) | count`, "Count\n2"},
		{`AzureActivity | where TimeGenerated between (ago(3h) .. 1h) | summarize count()`, "count_\n0"},
		{`AzureActivity | summarize count(), last=max(TimeGenerated) by Caller | order by Caller asc`, "Caller|count_|last\na|3|2026-11-24T11:59:00.0000000Z\nb|1|2026-11-24T11:20:00.0000000Z"},
		{`AzureActivity | summarize n = count() by bin(TimeGenerated, 1h) | sort by TimeGenerated desc | take 2`, "TimeGenerated|n\n2026-11-24T11:00:00.0000000Z|2\n2026-11-24T10:00:00.0000000Z|1"},
		{`AzureActivity | where OperationNameValue has "loadbalancers" | distinct Caller | order by Caller desc`, "Caller\nb\na"},
		{`AzureActivity | where OperationNameValue has "load" | count`, "Count\n0"},
		{`AzureActivity | where OperationNameValue contains "load" and OperationNameValue !startswith "microsoft.compute" | count`, "Count\n2"},
		{`AzureActivity | where Caller in ("b", 'c') or Level !in ('Informational') | summarize count() by Caller`, "Caller|count_\na|2\nb|1"},
		{`AzureActivity | extend p = parse_json(Properties) | where p.statusCode == "Forbidden" | project code=p.statusCode, n=p.n+1`, "code|n\nForbidden|4"},
		{`let since = ago(1d); let bad = AzureActivity | where ActivityStatusValue == "Failure"; bad | where TimeGenerated > since | project Caller`, "Caller\na"},
		{`let who = dynamic(["b"]); AzureActivity | where Caller in (who) | count`, "Count\n1"},
		{`AzureActivity | top 1 by TimeGenerated asc | project Caller, d = now() - TimeGenerated`, "Caller|d\na|2.02:00:00"},
		{`resources | where type =~ 'Microsoft.ContainerService/managedClusters' | project name, v = properties.kubernetesVersion, properties.kubernetesVersion | order by name asc`,
			"name|v|properties_kubernetesVersion\none|1.33|1.33\ntwo|1.34|1.34"},
		{`resources | where isnotempty(tags['team']) | project id`, "id\n/c/1"},
		{`resources | where isnull(tags) | summarize c=count() by location | order by c desc, location asc`, "location|c\nnortheurope|1\nwesteurope|1"},
		{`resources | mv-expand pool = properties.agentPoolProfiles | where isnotnull(pool) | project name, p = tostring(pool.name), n = toint(pool['count']) | order by n desc`,
			"name|p|n\none|p1|3\ntwo|q|2\none|p2|1"},
		{`resources | extend principal = tostring(identity.principalId) | join kind=inner (grants) on principal | project name, role | order by role asc`, "name|role\none|AcrPull\none|Reader"},
		{`resources | project p = tostring(identity.principalId), name | join kind=leftanti grants on $left.p == $right.principal | project name`, "name\ntwo\nnet"},
		{`resources | project p = tostring(identity.principalId), name | join kind=leftouter (grants | summarize n=count() by principal) on $left.p == $right.principal | project name, n`, "name|n\none|2\ntwo|\nnet|"},
		{`resources | summarize names=make_set(name), k=dcount(type), avg(strlen(name)) by location | order by location asc`, `location|names|k|avg_name` + "\n" + `northeurope|["two"]|1|3` + "\n" + `westeurope|["one","net"]|2|3`},
		{`resources | summarize arg_max(name, id) by location | order by location asc`, "location|name|id\nnortheurope|two|/c/2\nwesteurope|one|/c/1"},
		{`resources | project-away properties, tags, identity, type, location | take 1`, "id|name\n/c/1|one"},
		{`resources | project-rename label=name | project-keep label, i* | take 1`, `id|identity|label` + "\n" + `/c/1|{"principalId":"P1"}|one`},
		{`resources | where name matches regex "^t" | extend a = case(name == "one", 1, name == "two", 2, 3), b = iff(true, "y", "n") | project a, b`, "a|b\n2|y"},
		{`resources | where location in~ ("WestEurope") and name has_any ("net", "nope") | project name`, "name\nnet"},
		{`resources | union (grants | project name=role) | summarize count()`, "count_\n6"},
		{`grants | project x = strcat(principal, "-", tolower(role)), y = split("a/b/c", "/")[1], z = substring("abcdef", 1, 2), w = extract("([0-9]+)", 1, "v42") | take 1`, "x|y|z|w\nP1-reader|b|bc|42"},
		{`grants | project a = 7 / 2, b = 7.0 / 2, c = -7 % 3, d = 2 + 3 * 4, e = (2 + 3) * 4, f = 1h + 30m | take 1`, "a|b|c|d|e|f\n3|3.5|2|14|20|01:30:00"},
		{`grants | where not(role == "Owner") | count`, "Count\n2"},
		{`grants | summarize countif(principal == "P1"), sum(strlen(role)), min(role)`, "countif_|sum_role|min_role\n2|18|AcrPull"},
		{`grants | extend ['my col'] = 1 | where ['my col'] == 1 | count`, "Count\n3"},
		{`grants | where role has @"Acr" | count`, "Count\n0"},
	}
	for _, c := range cases {
		t.Run(c.query, func(t *testing.T) {
			q, err := Parse(c.query)
			if err != nil {
				t.Fatal(err)
			}
			got, err := q.Run(Env{Tables: tables, Now: noon})
			if err != nil {
				t.Fatal(err)
			}
			if render(got) != c.want {
				t.Errorf("got\n%s\nwant\n%s", render(got), c.want)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	cases := []struct{ query, want string }{
		{"", "a name was expected, not the end"},
		{"nowhere", "the table nowhere is not known"},
		{"resources | frobnicate", "the operator frobnicate is not supported"},
		{"resources | where frob(name)", "the function frob is not supported"},
		{"resources | where count() > 1", "it stands in summarize only"},
		{"resources | where name == 'x", "the text does not end"},
		{"resources | summarize name", "an aggregate such as count() was expected"},
		{"resources | take many", "a number of rows was expected"},
		{"resources | where name ==", "an expression was expected, not the end"},
		{"resources | project x = tolower(name, name)", "tolower() has 2 arguments"},
		{"resources | where a == datetime(tomorrow)", "tomorrow is not a datetime"},
		{"resources | join (grants)", "on was expected"},
		{"resources & grants", `unexpected "&"`},
		{"let x = y; resources", "the name y is not known"},
		{"resources | where " + strings.Repeat("(", 300) + "1" + strings.Repeat(")", 300), "nested too deep"},
		{"resources | where name matches regex '('", "missing closing"},
		{strings.Repeat("x", maxQuery+1), "at most"},
	}
	for _, c := range cases {
		q, err := Parse(c.query)
		if err == nil {
			_, err = q.Run(Env{Tables: tables, Now: noon})
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60s: got %v, want %s", c.query, err, c.want)
		}
	}
}

// FuzzQuery reads and runs anything: no panic, and what was read once is read again.
func FuzzQuery(f *testing.F) {
	f.Add(`resources | where type =~ 'a' and tags['b'] !in ("c") | summarize count() by bin(TimeGenerated, 1h)`)
	f.Add(`let a = ago(1h); AzureActivity | where x between (a .. now()) | mv-expand p | project-away p* | top 3 by x desc nulls last`)
	f.Add(`resources | join kind=leftouter (grants | distinct *) on $left.a == $right.b | extend c = dynamic({"a":[1,2]}).a[0]`)
	f.Fuzz(func(t *testing.T, text string) {
		q, err := Parse(text)
		if err != nil {
			return
		}
		_, _ = q.Run(Env{Tables: tables, Now: noon})
	})
}
