package provider

import (
	"encoding/base64"
	"errors"
	"iter"
	"slices"
	"strconv"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
	"aksid/internal/kql"
)

// resourceGraph is Azure Resource Graph: one query over what the caller may read
// (Microsoft.ResourceGraph/resources, api-version 2022-10-01). It has no deny assignments, as on Azure.
func resourceGraph() arm.Provider {
	return arm.Provider{Namespace: "Microsoft.ResourceGraph", Types: []arm.Type{{
		Name: "Microsoft.ResourceGraph", Since: "2018-09-01-preview", Versions: []string{"2024-04-01", "2022-10-01", "2021-03-01", "2020-04-01-preview", "2019-04-01"},
		Place: arm.InTenant, Open: true, Get: func(*arm.Call) (arm.Doc, *azure.Error) { return arm.Doc{}, nil },
		Actions: map[string]arm.Action{"resources": {Do: queryResources, Open: true}},
	}}}
}

// graphPage is how many rows Resource Graph answers at once.
const graphPage = 1000

func queryResources(c *arm.Call) (any, *azure.Error) {
	q, err := kql.Parse(arm.Str(c.Body, "query"))
	if err != nil {
		return nil, badQuery(err)
	}
	g := &graphRows{call: c, subscriptions: text(arm.List(c.Body, "subscriptions"))}
	table, err := q.Run(kql.Env{Tables: g.table, Now: c.Now})
	if g.err != nil {
		return nil, arm.Fault(g.err)
	}
	if err != nil {
		return nil, badQuery(err)
	}
	return graphAnswer(c, table)
}

func badQuery(err error) *azure.Error {
	bad := azure.InvalidQuery.Error()
	bad.Details = []*azure.Error{{Code: "InvalidQuery", Message: "Query is invalid. Please refer to the documentation for the Azure Resource Graph service and fix the error before retrying."},
		{Code: "ParserFailure", Message: err.Error()}}
	return bad
}

// graphAnswer is a page of rows, as objects or as a table.
func graphAnswer(c *arm.Call, t *kql.Table) (any, *azure.Error) {
	skip, top := arm.Int(c.Body, "options.$skip"), arm.Int(c.Body, "options.$top")
	if token := arm.Str(c.Body, "options.$skipToken"); token != "" {
		b, err := base64.RawURLEncoding.DecodeString(token)
		if err == nil {
			skip, err = strconv.Atoi(string(b))
		}
		if err != nil {
			return nil, badQuery(errors.New("the $skipToken is not one of this service"))
		}
	}
	if top <= 0 || top > graphPage {
		top = graphPage
	}
	from := min(max(skip, 0), len(t.Rows))
	page := t.Rows[from:min(from+top, len(t.Rows))]
	answer := arm.Doc{"totalRecords": len(t.Rows), "count": len(page), "resultTruncated": "false", "facets": []any{}}
	if from+len(page) < len(t.Rows) {
		answer["$skipToken"] = base64.RawURLEncoding.EncodeToString([]byte(strconv.Itoa(from + len(page))))
	}
	if strings.EqualFold(arm.Str(c.Body, "options.resultFormat"), "table") {
		columns := []any{}
		for _, name := range t.Columns {
			columns = append(columns, arm.Doc{"name": name, "type": "string"})
		}
		answer["data"] = arm.Doc{"columns": columns, "rows": page}
		return answer, nil
	}
	data := make([]any, len(page))
	for i, row := range page {
		d := arm.Doc{}
		for j, name := range t.Columns {
			d[name] = row[j]
		}
		data[i] = d
	}
	answer["data"] = data
	return answer, nil
}

// graphRows are Resource Graph's tables, made of what the caller may read.
type graphRows struct {
	call          *arm.Call
	subscriptions []string // none: all
	err           error
}

func (g *graphRows) table(name string) (iter.Seq[kql.Row], bool) {
	rows, ok := map[string]func(yield func(kql.Row) bool){
		"resources":              g.resources,
		"resourcecontainers":     g.containers,
		"authorizationresources": g.authorization,
	}[strings.ToLower(name)]
	return rows, ok
}

// scopes are the subscriptions that are asked about, as far as the caller sees into them.
func (g *graphRows) scopes(yield func(arm.Doc) bool) {
	for d, err := range listSubscriptions(g.call) {
		if err != nil {
			g.err = err
			return
		}
		wanted := len(g.subscriptions) == 0 || slices.ContainsFunc(g.subscriptions, func(s string) bool { return strings.EqualFold(s, arm.Str(d, "subscriptionId")) })
		if wanted && !yield(d) {
			return
		}
	}
}

func (g *graphRows) resources(yield func(kql.Row) bool) {
	for sub := range g.scopes {
		for _, p := range g.call.Providers() {
			for _, t := range p.Types {
				if t.Tracked && t.Name != azure.TypeResourceGroup && !g.each(azure.MustID(arm.Str(sub, "id")), &t, yield) {
					return
				}
			}
		}
	}
}

func (g *graphRows) containers(yield func(kql.Row) bool) {
	for sub := range g.scopes {
		id := azure.MustID(arm.Str(sub, "id"))
		row := kql.Row{"id": id.String(), "name": arm.Str(sub, "displayName"), "type": "microsoft.resources/subscriptions", "subscriptionId": id.Name(),
			"tenantId": g.call.Tenant().String(), "properties": map[string]any{"state": "Enabled", "managementGroupAncestorsChain": g.ancestors(id)}}
		if !yield(row) || !g.each(id, &arm.Type{Name: azure.TypeResourceGroup}, yield) {
			return
		}
	}
}

func (g *graphRows) ancestors(id azure.ID) []any {
	out := []any{}
	for _, m := range g.call.Policy().ManagementGroups(id) {
		out = append(out, map[string]any{"name": m.Name()})
	}
	return out
}

func (g *graphRows) each(scope azure.ID, t *arm.Type, yield func(kql.Row) bool) bool {
	for d, err := range g.call.Resources(scope, t.Name) {
		if err != nil {
			g.err = err
			return false
		}
		id := azure.MustID(arm.Str(d, "id"))
		if g.call.May(azure.Action(t.Name+"/read"), id) && !yield(g.row(id, d)) {
			return false
		}
	}
	return true
}

// row is a resource as Resource Graph has it: its type in lower case, and the columns that every row has.
func (g *graphRows) row(id azure.ID, d arm.Doc) kql.Row {
	row := kql.Row{"subscriptionId": id.Subscription(), "resourceGroup": lower(id.ResourceGroup()), "tenantId": g.call.Tenant().String()}
	for _, k := range []string{"id", "name", "location", "tags", "properties", "sku", "kind", "identity", "zones", "managedBy", "plan", "extendedLocation"} {
		row[k] = d[k]
	}
	row["type"] = lower(arm.Str(d, "type"))
	if strings.EqualFold(arm.Str(d, "type"), "Microsoft.Resources/resourceGroups") {
		row["type"] = "microsoft.resources/subscriptions/resourcegroups"
	}
	return row
}

// authorization has the role assignments and definitions at and below the subscriptions, and the assignments above them.
func (g *graphRows) authorization(yield func(kql.Row) bool) {
	seen := map[string]bool{}
	emit := func(d arm.Doc) bool {
		id := azure.MustID(arm.Str(d, "id"))
		if seen[id.Key()] {
			return true
		}
		seen[id.Key()] = true
		return yield(kql.Row{"id": id.String(), "name": arm.Str(d, "name"), "type": lower(arm.Str(d, "type")), "tenantId": g.call.Tenant().String(),
			"subscriptionId": id.Subscription(), "resourceGroup": "", "location": "", "properties": d["properties"]})
	}
	for sub := range g.scopes {
		id := azure.MustID(arm.Str(sub, "id"))
		for _, up := range append(g.call.Policy().ManagementGroups(id), azure.Root) {
			if !g.assignments(g.call.At(up, typeRoleAssignment), emit) {
				return
			}
		}
		if !g.assignments(g.call.Extensions(id, typeRoleAssignment), emit) {
			return
		}
		for r := range g.call.Policy().Roles() {
			if assignable(g.call, r, id) && g.call.May("Microsoft.Authorization/roleDefinitions/read", id) && !emit(roleDoc(azure.Root, r, nil)) {
				return
			}
		}
	}
}

func (g *graphRows) assignments(all iter.Seq2[arm.Doc, error], emit func(arm.Doc) bool) bool {
	for d, err := range all {
		if err != nil {
			g.err = err
			return false
		}
		a, ok := readAssignment(d)
		if !ok || !g.call.May(typeRoleAssignment+"/read", a.Scope) {
			continue
		}
		d = arm.Clone(d)
		arm.Set(d, "properties.roleDefinitionId", roleID(azure.Root, a.Role)) // as the definition's id, so that they join
		if !emit(d) {
			return false
		}
	}
	return true
}
