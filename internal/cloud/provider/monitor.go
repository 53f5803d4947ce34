package provider

import (
	"encoding/json"
	"fmt"
	"iter"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
	"aksid/internal/kql"
)

const (
	typeWorkspace   = "Microsoft.OperationalInsights/workspaces"
	typeDiagnostics = "Microsoft.Insights/diagnosticSettings"
	typeAlert       = "Microsoft.Insights/activityLogAlerts"
	typeActionGroup = "Microsoft.Insights/actionGroups"
)

// operationalInsights is Log Analytics: workspaces whose AzureActivity table has the activity log of the subscriptions
// that a diagnostic setting routes there.
func operationalInsights() arm.Provider {
	return arm.Provider{Namespace: "Microsoft.OperationalInsights", Types: []arm.Type{{
		Name: typeWorkspace, Since: "2015-03-20", Versions: []string{"2023-09-01", "2022-10-01", "2021-06-01", "2020-08-01", "2017-01-01-preview"},
		Tracked: true, Check: checkWorkspace, Keep: []string{"properties.sku", "properties.retentionInDays"},
		Actions: map[string]arm.Action{
			"query":      {Do: queryWorkspace, RBAC: typeWorkspace + "/query/read"},
			"sharedkeys": {Do: workspaceKeys},
		},
	}}}
}

func checkWorkspace(c *arm.Call) *azure.Error {
	for path, v := range map[string]any{"customerId": azure.NewGUID().String(), "createdDate": c.Now.Format("2006-01-02T15:04:05.0000000Z")} {
		if old := arm.Get(c.Old, "properties."+path); old != nil {
			v = old
		}
		arm.Set(c.Doc, "properties."+path, v)
	}
	arm.Default(c.Doc, "properties.sku", arm.Doc{"name": "PerGB2018"})
	arm.Default(c.Doc, "properties.retentionInDays", json.Number("30"))
	arm.Default(c.Doc, "properties.publicNetworkAccessForIngestion", "Enabled")
	arm.Default(c.Doc, "properties.publicNetworkAccessForQuery", "Enabled")
	return nil
}

// workspaceKeys are refused: agents cannot send here, and who reads a key should not believe that they can.
func workspaceKeys(*arm.Call) (any, *azure.Error) { return nil, azure.WorkspaceKeysDisabled.Error() }

// queryWorkspace answers a query as the Log Analytics query API does: tables of columns and rows.
func queryWorkspace(c *arm.Call) (any, *azure.Error) {
	q, err := kql.Parse(arm.Str(c.Body, "query"))
	if err != nil {
		return nil, badQuery(err)
	}
	rows := &activityRows{call: c, from: c.Now.AddDate(0, 0, -90)}
	if err := rows.span(arm.Str(c.Body, "timespan")); err != nil {
		return nil, badQuery(err)
	}
	table, err := q.Run(kql.Env{Tables: rows.table, Now: c.Now})
	if rows.err != nil {
		return nil, arm.Fault(rows.err)
	}
	if err != nil {
		return nil, badQuery(err)
	}
	columns := []any{}
	for _, name := range table.Columns {
		columns = append(columns, arm.Doc{"name": name, "type": "dynamic"})
	}
	return arm.Doc{"tables": []any{arm.Doc{"name": "PrimaryResult", "columns": columns, "rows": table.Rows}}}, nil
}

// activityRows is the table AzureActivity of a workspace.
type activityRows struct {
	call     *arm.Call
	from, to time.Time
	err      error
}

// span reads an ISO 8601 interval (from/to) or duration (PT1H, P1D), as the query API takes them.
func (r *activityRows) span(text string) error {
	if text == "" {
		return nil
	}
	if from, to, ok := strings.Cut(text, "/"); ok {
		a, ok1 := eventTime(from)
		b, ok2 := eventTime(to)
		if !ok1 || !ok2 {
			return fmt.Errorf("%q is not an interval", text)
		}
		r.from, r.to = a, b
		return nil
	}
	d, ok := isoDuration(text)
	if !ok {
		return fmt.Errorf("%q is not a duration", text)
	}
	r.from = r.call.Now.Add(-d)
	return nil
}

// isoDuration reads a duration of days, hours, minutes and seconds (ISO 8601).
func isoDuration(s string) (time.Duration, bool) {
	rest, ok := strings.CutPrefix(strings.ToUpper(s), "P")
	days, clock, _ := strings.Cut(rest, "T")
	if !ok || rest == "" {
		return 0, false
	}
	total := time.Duration(0)
	if days != "" {
		n := 0
		if _, err := fmt.Sscanf(days, "%dD", &n); err != nil || !strings.HasSuffix(days, "D") || n > 36500 {
			return 0, false
		}
		total = time.Duration(n) * 24 * time.Hour
	}
	if clock != "" {
		d, err := time.ParseDuration(strings.ToLower(clock))
		if err != nil {
			return 0, false
		}
		total += d
	}
	return total, true
}

func (r *activityRows) table(name string) (iter.Seq[kql.Row], bool) {
	return r.rows, name == "AzureActivity"
}

// rows are the events of the routed subscriptions since they are routed, under the names that the table has.
func (r *activityRows) rows(yield func(kql.Row) bool) {
	for setting, err := range r.call.Find(r.call.ID.Key()) {
		if err != nil {
			r.err = err
			return
		}
		if arm.Str(setting, "type") != typeDiagnostics {
			continue
		}
		scope, _, _ := azure.MustID(arm.Str(setting, "id")).Split()
		since, _ := time.Parse(time.RFC3339Nano, arm.Str(setting, "_.systemData.createdAt"))
		if since.Before(r.from) {
			since = r.from
		}
		for d, err := range r.call.Tx.Scan(arm.KindActivity, arm.LogOf(scope)+"/", arm.ActivityKey(arm.LogOf(scope), since)) {
			var events []arm.Doc
			if err == nil {
				events, err = arm.Events(d.Body)
			}
			if err != nil {
				r.err = err
				return
			}
			if !r.to.IsZero() && d.Key >= arm.ActivityKey(arm.LogOf(scope), r.to.Add(1)) {
				break
			}
			for _, event := range events {
				if !yield(activityRow(event)) {
					return
				}
			}
		}
	}
}

// activityStatus is how the table words an event's status.
var activityStatus = map[string]string{"Succeeded": "Success", "Failed": "Failure", "Accepted": "Accept", "Started": "Start"}

// activityRow is an event as the table AzureActivity has it (Microsoft Learn: Azure Monitor Logs table reference).
func activityRow(e arm.Doc) kql.Row {
	at, _ := eventTime(arm.Str(e, "eventTimestamp"))
	text := func(v any) string {
		b, _ := json.Marshal(v)
		return string(b)
	}
	status := arm.Str(e, "status.value")
	return kql.Row{
		"TimeGenerated": at, "Level": arm.Str(e, "level"), "Caller": arm.Str(e, "caller"), "CallerIpAddress": arm.Str(e, "httpRequest.clientIpAddress"),
		"OperationNameValue": strings.ToUpper(arm.Str(e, "operationName.value")), "OperationName": arm.Str(e, "operationName.localizedValue"),
		"ActivityStatusValue": activityStatus[status], "ActivityStatus": status, "ActivitySubstatusValue": arm.Str(e, "subStatus.value"),
		"ResourceGroup": strings.ToUpper(arm.Str(e, "resourceGroupName")), "SubscriptionId": arm.Str(e, "subscriptionId"), "CorrelationId": arm.Str(e, "correlationId"),
		"ResourceProviderValue": strings.ToUpper(arm.Str(e, "resourceProviderName.value")), "CategoryValue": arm.Str(e, "category.value"),
		"_ResourceId": lower(arm.Str(e, "resourceId")), "Claims": text(e["claims"]), "Authorization": text(e["authorization"]), "Properties": text(e["properties"]),
		"Claims_d": e["claims"], "Authorization_d": e["authorization"], "Properties_d": e["properties"], "EventDataId": arm.Str(e, "eventDataId"),
		"TenantId": arm.Str(e, "tenantId"), "Type": "AzureActivity",
	}
}

// monitorTypes are the settings, alerts and action groups of Microsoft.Insights.
func monitorTypes() []arm.Type {
	return []arm.Type{
		{Name: typeDiagnostics, Since: "2015-07-01", Versions: []string{"2021-05-01-preview", "2017-05-01-preview"}, Place: arm.Any, Codes: arm.Codes{Create: 200},
			Links: []arm.Link{{Path: "properties.workspaceId", Action: typeWorkspace + "/write"}}, Check: checkDiagnostics},
		{Name: typeActionGroup, Since: "2017-04-01", Versions: []string{"2023-01-01", "2021-09-01", "2019-06-01"}, Tracked: true, OrGlobal: true, Check: checkActionGroup},
		{Name: typeAlert, Since: "2017-04-01", Versions: []string{"2020-10-01", "2017-04-01"}, Tracked: true, OrGlobal: true,
			Refs: func(arm.Doc) []string { return []string{"alerts"} }, Check: checkAlert,
			Links: []arm.Link{{Path: "properties.actions.actionGroups[].actionGroupId", Action: typeActionGroup + "/read"}}},
	}
}

func checkDiagnostics(c *arm.Call) *azure.Error {
	if arm.Str(c.Doc, "properties.workspaceId") == "" {
		return azure.MonitorInvalid.Format(azure.Fields{"what": "diagnostic setting", "reason": "it routes to no workspace (properties.workspaceId)"})
	}
	return nil
}

// checkActionGroup takes webhooks on this machine only: nothing else can be reached from here.
func checkActionGroup(c *arm.Call) *azure.Error {
	for _, v := range arm.List(c.Doc, "properties.webhookReceivers") {
		d, _ := v.(map[string]any)
		u, err := url.Parse(arm.Str(d, "serviceUri"))
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || !loopback(u.Hostname()) {
			return azure.MonitorInvalid.Format(azure.Fields{"what": "action group", "reason": "a webhook receiver's serviceUri must be an address of this machine, as http://127.0.0.1:9000/hook"})
		}
	}
	arm.Default(c.Doc, "properties.enabled", true)
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func checkAlert(c *arm.Call) *azure.Error {
	arm.Default(c.Doc, "properties.enabled", true)
	bad := func(reason string) *azure.Error {
		return azure.MonitorInvalid.Format(azure.Fields{"what": "activity log alert", "reason": reason})
	}
	if len(text(arm.List(c.Doc, "properties.scopes"))) == 0 {
		return bad("it has no scopes")
	}
	conditions := arm.List(c.Doc, "properties.condition.allOf")
	if !slices.ContainsFunc(conditions, func(v any) bool { d, _ := v.(map[string]any); return lower(arm.Str(d, "field")) == "category" }) {
		return bad("its condition names no category")
	}
	return nil
}

// Alert is an activity log alert that an event met: where to tell of it, and what.
type Alert struct {
	ID   string
	URL  string
	Body arm.Doc
}

// HasAlerts reports whether there is any activity log alert.
func HasAlerts(c *arm.Call) (bool, error) {
	for _, err := range c.Find("alerts") {
		return err == nil, err
	}
	return false, nil
}

// MetAlerts are the alerts that an event of the activity log meets, one for each webhook.
func MetAlerts(c *arm.Call, event arm.Doc) ([]Alert, error) {
	var out []Alert
	for d, err := range c.Find("alerts") {
		if err != nil {
			return nil, err
		}
		if !arm.Bool(d, "properties.enabled") || before(event, d) || !inScopes(d, event) || !meets(arm.List(d, "properties.condition.allOf"), event) {
			continue
		}
		hooks, err := webhooks(c, d)
		if err != nil {
			return nil, err
		}
		for _, hook := range hooks {
			out = append(out, Alert{ID: arm.Str(d, "id"), URL: hook, Body: arm.Doc{"schemaId": "Microsoft.Insights/activityLogs", "data": arm.Doc{
				"status": "Activated", "context": arm.Doc{"activityLog": event}, "properties": arm.Doc{"alertRule": arm.Str(d, "id")}}}})
		}
	}
	return out, nil
}

// before reports whether an event was before an alert was made.
func before(event, alert arm.Doc) bool {
	made, err := time.Parse(time.RFC3339Nano, arm.Str(alert, "_.systemData.createdAt"))
	at, ok := eventTime(arm.Str(event, "eventTimestamp"))
	return err == nil && ok && at.Before(made.Truncate(100*time.Nanosecond)) // an event's time has seven digits
}

func inScopes(alert, event arm.Doc) bool {
	at, err := azure.ParseID(arm.Str(event, "resourceId"))
	return err == nil && slices.ContainsFunc(text(arm.List(alert, "properties.scopes")), func(s string) bool {
		scope, err := azure.ParseID(s)
		return err == nil && scope.Contains(at)
	})
}

// meets decides an alert's condition: every part of allOf, each with equals, containsAny or anyOf.
func meets(all []any, event arm.Doc) bool {
	for _, v := range all {
		d, _ := v.(map[string]any)
		if anyOf := arm.List(d, "anyOf"); anyOf != nil {
			if !slices.ContainsFunc(anyOf, func(v any) bool { return meets([]any{v}, event) }) {
				return false
			}
			continue
		}
		value := eventField(event, arm.Str(d, "field"))
		if list := text(arm.List(d, "containsAny")); list != nil {
			if !slices.ContainsFunc(list, func(s string) bool { return strings.EqualFold(s, value) }) {
				return false
			}
		} else if !strings.EqualFold(arm.Str(d, "equals"), value) {
			return false
		}
	}
	return true
}

// eventField is a field of an event as alerts name it: operationName and status stand for their values.
func eventField(event arm.Doc, path string) string {
	for k, v := range event { // the first part counts without case
		head, rest, _ := strings.Cut(path, ".")
		if !strings.EqualFold(k, head) {
			continue
		}
		switch v := v.(type) {
		case string:
			return v
		case map[string]any:
			if rest == "" {
				return arm.Str(v, "value")
			}
			return arm.Str(v, rest)
		}
	}
	return ""
}

func webhooks(c *arm.Call, alert arm.Doc) ([]string, error) {
	var out []string
	for _, v := range arm.List(alert, "properties.actions.actionGroups") {
		d, _ := v.(map[string]any)
		id, err := azure.ParseID(arm.Str(d, "actionGroupId"))
		if err != nil {
			continue
		}
		group, err := c.Load(id)
		if err != nil {
			return nil, err
		}
		if !arm.Bool(group, "properties.enabled") {
			continue
		}
		arm.Each(group, "properties.webhookReceivers[].serviceUri", func(v any) { out = append(out, fmt.Sprint(v)) })
	}
	return out, nil
}
