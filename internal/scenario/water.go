package scenario

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"time"

	"aksid/internal/azure"
	"aksid/internal/rbac"
)

var waterStory = Story{
	Name:  "water",
	Title: "Water utility limits emergency access during modernization",
	Case: "A regional water utility modernized telemetry processing on AKS, but security reviewers objected to broad subscription roles used " +
		"by early deployment scripts. Operators needed reliable scaling without handing infrastructure permissions to application teams.",
	Given: []string{"The local Azure's own operator, who builds this world, is not counted among those with rights."},
	plot: func(s *Stage) []step {
		w := &water{Stage: s}
		return []step{
			{"Nine broad roles, and a cluster that works", w.setUp},
			{"What does AKS really do?", w.observe},
			{"A dedicated identity with just that", w.dedicate},
			{"The broad roles go", w.narrow},
			{"Applications have identities of their own", w.separate},
			{"Whoever leaves the pattern is found", w.policy},
			{"Three storms", w.storms},
			{"An emergency, with an end", w.breakGlass},
			{"The monthly review, in one command", w.review},
		}
	},
}

// water is the utility: its people, its estate, and what was counted.
type water struct {
	*Stage
	scripts, integrator, reviewer *person
	emergency                     []*person
	deployment                    azure.PrincipalID // a group

	telemetry, data, apps, identities, network, dns azure.ID // resource groups
	subnet, zone, disk                              azure.ID
	early, identity                                 azure.ID
	earlyPrincipal                                  azure.PrincipalID
	prod                                            *cluster

	before, after int       // high-scope assignments
	rolledOut     time.Time // when the cluster got its own identity
}

func (w *water) subs() (platform, hub azure.ID) {
	return azure.SubscriptionID(w.Azure.Subscriptions[0].ID), azure.SubscriptionID(w.Azure.Subscriptions[1].ID)
}

func (w *water) place() {
	platform, hub := w.subs()
	for name, group := range map[string]*azure.ID{"rg-telemetry": &w.telemetry, "rg-telemetry-data": &w.data, "rg-telemetry-apps": &w.apps, "rg-identities": &w.identities} {
		*group = platform.Join("resourceGroups", name)
	}
	w.network, w.dns = hub.Join("resourceGroups", "rg-network"), hub.Join("resourceGroups", "rg-dns")
	w.subnet = w.network.Resource(typeSubnet, "vnet-utility", "snet-telemetry")
	w.zone = w.dns.Resource("Microsoft.Network/privateDnsZones", "privatelink."+location+".azmk8s.io")
	w.disk = w.data.Resource(typeDisk, "readings")
	w.early, w.identity = w.identities.Resource(typeIdentity, "id-early"), w.identities.Resource(typeIdentity, "id-telemetry-aks")
}

func (w *water) setUp(ctx context.Context) error {
	w.place()
	err := w.build(ctx, w.operator(), resource{w.telemetry, doc{}}, resource{w.data, doc{}}, resource{w.apps, doc{}}, resource{w.identities, doc{}}, resource{w.network, doc{}}, resource{w.dns, doc{}},
		resource{w.subnet.Parent(), doc{"properties": doc{"addressSpace": doc{"addressPrefixes": []string{"10.20.0.0/16"}},
			"subnets": []doc{{"name": w.subnet.Name(), "properties": doc{"addressPrefix": "10.20.0.0/20"}}}}}},
		resource{w.disk, doc{"sku": doc{"name": "Premium_LRS"}, "properties": doc{"diskSizeGB": 64, "creationData": doc{"createOption": "Empty"}}}})
	if err == nil {
		err = w.put(ctx, w.operator(), w.zone, doc{"location": "global"}, nil)
	}
	if err != nil {
		return err
	}
	w.who("networks", "%s and the private DNS zone %s, in subscription Hub", w.subnet.Name(), w.zone.Name())
	w.who("telemetry", "%s, with the disk %s that pods keep readings on, in subscription Platform", w.telemetry.Name(), w.disk.Name())
	if err := w.file("volumes.json", volumes(w.disk)); err != nil {
		return err
	}
	if err := w.broad(ctx); err != nil {
		return err
	}
	if w.prod, err = w.create(ctx, w.scripts, w.telemetry.Resource(typeCluster, "telemetry-prod"), w.body(w.early, 3)); err != nil {
		return err
	}
	w.works("deploy-scripts has created telemetry-prod, a private cluster, with the identity id-early that the scripts use everywhere")
	return w.countHigh(ctx, &w.before)
}

// broad are the roles of the early deployment scripts.
func (w *water) broad(ctx context.Context) (err error) {
	platform, hub := w.subs()
	both := []azure.ID{platform, hub}
	if w.scripts, err = w.team(ctx, "deploy-scripts", "Contributor", both...); err != nil {
		return err
	}
	if w.integrator, err = w.team(ctx, "scada-integrator", "Owner", platform); err != nil {
		return err
	}
	if w.reviewer, err = w.team(ctx, "security-review", "Reader", both...); err != nil {
		return err
	}
	for _, name := range []string{"emergency-1", "emergency-2"} {
		p, err := w.team(ctx, name, "Owner", platform)
		if err != nil {
			return err
		}
		w.emergency = append(w.emergency, p)
	}
	if w.earlyPrincipal, _, err = w.userAssigned(ctx, w.operator(), w.early); err != nil {
		return err
	}
	if w.deployment, err = w.newGroup(ctx, "deployment", w.integrator); err != nil {
		return err
	}
	for _, sub := range both {
		if err := errors.Join(w.grant(ctx, w.operator(), "Contributor", w.earlyPrincipal, sub), w.grantGroup(ctx, w.operator(), "Contributor", w.deployment, sub)); err != nil {
			return err
		}
	}
	return nil
}

// body is the cluster with an identity and a number of nodes.
func (w *water) body(identity azure.ID, nodes int) doc {
	return doc{"identity": userAssignedIdentity(identity), "properties": doc{
		"dnsPrefix": "telemetry-prod", "networkProfile": doc{"networkPlugin": "azure", "serviceCidr": "10.0.0.0/16", "dnsServiceIP": "10.0.0.10"},
		"apiServerAccessProfile": doc{"enablePrivateCluster": true, "privateDNSZone": w.zone.String(), "disableRunCommand": true},
		"disableLocalAccounts":   true, "aadProfile": doc{"managed": true, "enableAzureRBAC": true},
		"oidcIssuerProfile": doc{"enabled": true}, "securityProfile": doc{"workloadIdentity": doc{"enabled": true}},
		"agentPoolProfiles": []doc{{"name": "system", "mode": "System", "count": nodes, "vmSize": "Standard_D4s_v5", "osType": "Linux", "type": "VirtualMachineScaleSets", "vnetSubnetID": w.subnet.String()}},
	}}
}

// countHigh counts and lists the roles on whole subscriptions that can change something.
func (w *water) countHigh(ctx context.Context, into *int) error {
	all, err := w.assignments(ctx)
	if err != nil {
		return err
	}
	*into = 0
	for _, a := range all {
		if !a.high() || a.role() == "Reader" || a.Properties.PrincipalID == w.Azure.ObjectID {
			continue
		}
		*into++
		w.who(fmt.Sprintf("high-scope %d", *into), "%s on %s for %s", a.role(), w.placeName(a.Properties.Scope), w.names[a.Properties.PrincipalID])
	}
	return nil
}

func (w *water) observe(ctx context.Context) error {
	w.say("A month goes by. The cluster serves, keeps readings on its disk and is scaled, all with id-early; the local Azure records every right that it decides on:")
	for _, nodes := range []int{5, 3} {
		if err := w.advance(ctx, 14*day); err != nil {
			return err
		}
		if err := w.serve(ctx); err != nil {
			return err
		}
		if err := w.scale(ctx, w.scripts, nodes); err != nil {
			return err
		}
	}
	if _, err := w.aksid(ctx, run{args: w.leastOfRecord()}); err != nil {
		return err
	}
	w.say("On Azure there is no such record, and the activity log holds neither reads nor joins. What it lacks, aksid adds from what clusters are known to need, and says so:")
	_, err := w.aksid(ctx, run{args: w.leastOfLog(), without: "/resourceGroups/MC_"})
	return err
}

func (w *water) leastOfRecord() []string {
	return []string{"least", filepath.Join(w.Folder, RecordFile), "--principal", w.earlyPrincipal.String()}
}

func (w *water) leastOfLog() []string {
	return []string{"least", "--activity-log", "telemetry-prod", "--since", "720h", "--kube", filepath.Join(w.Folder, "volumes.json"), "--principal", w.earlyPrincipal.String()}
}

// leastRole is a role as least prints it.
type leastRole struct {
	Scope   azure.ID
	Name    string
	Actions []string
}

func (w *water) leastRoles(ctx context.Context, args []string) ([]leastRole, error) {
	out, err := w.quietly(ctx, run{args: append(args, "-o", "json")})
	if err != nil {
		return nil, err
	}
	var roles []leastRole
	return roles, json.Unmarshal([]byte(out), &roles)
}

// serve is what the cluster does every day: services get addresses, volumes their disks.
func (w *water) serve(ctx context.Context) error {
	if err := w.expose(ctx, w.prod, w.subnet, "ingest", "query"); err != nil {
		return err
	}
	if err := w.attach(ctx, w.prod, w.disk); err != nil {
		return err
	}
	return w.detach(ctx, w.prod)
}

// scale changes the number of nodes.
func (w *water) scale(ctx context.Context, by caller, nodes int) error {
	pool := w.prod.id.Join("agentPools", "system")
	var body doc
	if err := w.get(ctx, by, pool, &body); err != nil {
		return err
	}
	properties, _ := body["properties"].(doc)
	properties["count"] = nodes
	if err := w.put(ctx, by, pool, doc{"properties": properties}, nil); err != nil {
		return err
	}
	c, err := w.await(ctx, w.operator(), w.prod.id)
	if err == nil {
		w.prod = c
	}
	return err
}

// dedicate makes an identity for this cluster alone, with the roles that least has found, and lets the cluster use it.
func (w *water) dedicate(ctx context.Context) error {
	roles, err := w.leastRoles(ctx, w.leastOfLog())
	if err != nil {
		return err
	}
	if err := w.compare(ctx, roles); err != nil {
		return err
	}
	principal, _, err := w.userAssigned(ctx, w.operator(), w.identity)
	if err != nil {
		return err
	}
	w.changed("identity %s, principal %s", w.identity.Name(), principal)
	for _, r := range roles {
		if r.Scope.Equal(w.prod.nodes) {
			continue // AKS gives its identity a role there by itself
		}
		name := "telemetry-prod at " + r.Scope.Name()
		if err := w.grantCustom(ctx, w.operator(), name, r.Actions, principal, r.Scope); err != nil {
			return err
		}
		w.changed("custom role of %d actions on %s", len(r.Actions), w.placeName(r.Scope))
	}
	before := "migrate-to-user-assigned=" + w.identity.String()
	if _, err := w.aksid(ctx, run{args: []string{"check", "telemetry-prod", "--kube", filepath.Join(w.Folder, "volumes.json"), "--before", before}, as: w.reviewer, show: 4}); err != nil {
		return err
	}
	if w.prod, err = w.create(ctx, w.scripts, w.prod.id, w.body(w.identity, 3)); err != nil {
		return err
	}
	w.rolledOut = w.now()
	w.works("telemetry-prod uses %s", w.identity.Name())
	_, err = w.aksid(ctx, run{args: []string{"check", "telemetry-prod", "--kube", filepath.Join(w.Folder, "volumes.json")}, as: w.reviewer})
	return err
}

// compare looks for every right of the record in the roles that come from the activity log.
func (w *water) compare(ctx context.Context, completed []leastRole) error {
	recorded, err := w.leastRoles(ctx, w.leastOfRecord())
	if err != nil {
		return err
	}
	all, found := 0, 0
	for _, r := range recorded {
		for _, action := range r.Actions {
			all++
			if slices.ContainsFunc(completed, func(c leastRole) bool {
				return c.Scope.Contains(r.Scope) && slices.ContainsFunc(c.Actions, func(a string) bool { return rbac.MatchAction(a, azure.Action(action)) })
			}) {
				found++
			}
		}
	}
	w.measure(Figure{
		Name: "rights that AKS really used and that its roles have", Case: "the actions AKS performed, documented by architects",
		Here: fmt.Sprintf("%d of %d", found, all), How: "what the local Azure recorded, in the roles of the activity log that the catalogue completed",
		Holds: all > 0 && found == all,
	})
	return nil
}

// narrow takes away all broad roles but those of the emergency accounts.
func (w *water) narrow(ctx context.Context) error {
	w.say("Who can change the network that telemetry uses?")
	whoCan := []string{"who-can", "Microsoft.Network/virtualNetworks/subnets/write", "--scope", w.subnet.String(), "--depth", "0"}
	if _, err := w.aksid(ctx, run{args: whoCan}); err != nil {
		return err
	}
	err := w.revoke(ctx, w.operator(), func(a assignment) bool {
		p := a.Properties.PrincipalID
		return p == w.earlyPrincipal || a.high() && slices.Contains([]azure.PrincipalID{w.scripts.id, w.integrator.id, w.deployment}, p)
	})
	if err != nil {
		return err
	}
	w.say("The scripts can no longer touch the network:")
	subnet := doc{"properties": doc{"addressPrefix": "10.20.0.0/20"}}
	if err := w.refused(w.put(ctx, w.scripts, w.subnet, subnet, nil), http.StatusForbidden, "AuthorizationFailed"); err != nil {
		return err
	}
	w.say("And the question again:")
	if _, err := w.aksid(ctx, run{args: whoCan}); err != nil {
		return err
	}
	if err := w.countHigh(ctx, &w.after); err != nil {
		return err
	}
	w.measure(Figure{
		Name: "high-scope role assignments", Case: "nine → two approved emergency accounts",
		Here: fmt.Sprintf("%d → %d", w.before, w.after), How: "roles on a whole subscription that can change something",
		Holds: w.before == 9 && w.after == len(w.emergency),
	})
	if err := w.serve(ctx); err != nil {
		return err
	}
	w.works("telemetry-prod serves and keeps its readings as before")
	return nil
}
