package cloud

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
	"aksid/internal/cloud/directory"
	"aksid/internal/cloud/provider"
	"aksid/internal/cloud/store"
)

const kindCloud, keyCloud = "cloud", "seed"

// seed is what a data folder was filled with at its first start.
type seed struct {
	Tenant           azure.GUID        `json:"tenant"`
	OperatorClientID azure.GUID        `json:"operatorClientId"`
	OperatorObjectID azure.PrincipalID `json:"operatorObjectId"`
	Subscriptions    []Subscription    `json:"subscriptions"`
}

func readSeed(ctx context.Context, s store.Store) (seed, error) {
	var out seed
	err := s.View(ctx, func(tx store.Tx) error {
		d, err := tx.Get(kindCloud, keyCloud)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		return json.Unmarshal(d.Body, &out)
	})
	return out, err
}

// subscriptionNames are those of the two subscriptions that a tenant begins with.
var subscriptionNames = []string{"Platform", "Hub"}

// owner is the built-in role Owner.
const owner = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"

// plant fills a new data folder: the operator, who is Owner of both subscriptions, and the first-party principals.
// The operator's secret is on disk before the transaction is: a start that dies in between begins anew.
func (cl *Cloud) plant(ctx context.Context, c Config, s *seed) error {
	now := c.Now().UTC()
	secret, hashed := directory.NewSecret("operator", now, now.AddDate(100, 0, 0))
	op := directory.Principal{ID: azure.NewGUID(), AppID: azure.NewGUID(), Type: directory.ServicePrincipal, Kind: directory.Application,
		DisplayName: "operator", Admin: true, Created: now, Secrets: []directory.Secret{hashed}}
	s.OperatorClientID, s.OperatorObjectID = op.AppID, op.ID
	for _, name := range subscriptionNames {
		s.Subscriptions = append(s.Subscriptions, Subscription{azure.NewGUID().String(), name})
	}
	file, err := json.MarshalIndent(map[string]any{"clientId": op.AppID, "objectId": op.ID, "tenantId": s.Tenant, "secret": secret}, "", "  ")
	if err != nil {
		return err
	}
	if err := writeFile(filepath.Join(c.Dir, "operator.json"), append(file, '\n')); err != nil {
		return err
	}
	return cl.arm.Provision(ctx, directory.Caller{ID: op.ID, AppID: op.AppID, Tenant: s.Tenant, Type: op.Type}, func(call *arm.Call) error {
		return plantAll(call, s, op)
	})
}

func plantAll(call *arm.Call, s *seed, op directory.Principal) error {
	principals := []directory.Principal{op}
	for _, p := range call.Providers() {
		if !p.Service.ID.IsZero() {
			p.Service.Created = op.Created
			principals = append(principals, p.Service)
		}
	}
	for _, p := range principals {
		if err := directory.Put(call.Tx, p); err != nil {
			return err
		}
	}
	root := provider.RootGroup(s.Tenant)
	if err := call.Seed(root, provider.NewRootGroup(s.Tenant)); err != nil {
		return err
	}
	for i, sub := range s.Subscriptions {
		if err := call.PutParent(azure.SubscriptionID(sub.ID), root); err != nil {
			return err
		}
		id := azure.SubscriptionID(sub.ID)
		if err := call.Seed(id, provider.NewSubscription(azure.MustGUID(sub.ID), s.Tenant, sub.Name, i)); err != nil {
			return err
		}
		if _, err := call.Put(id.Resource("Microsoft.Authorization/roleAssignments", azure.NewGUID().String()), arm.Doc{"properties": arm.Doc{
			"principalId": op.ID.String(), "principalType": op.Type, "roleDefinitionId": id.Resource("Microsoft.Authorization/roleDefinitions", owner).String()}}); err != nil {
			return err
		}
	}
	return s.put(call.Tx)
}

func (s *seed) put(tx store.Tx) error {
	body, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return tx.Put(store.Doc{Kind: kindCloud, Key: keyCloud, Body: body})
}

// name adds a subscription, or gives one another name. The slice is a new one: others may have the old.
func (s *seed) name(id, name string) {
	s.Subscriptions = slices.DeleteFunc(slices.Clone(s.Subscriptions), func(x Subscription) bool { return x.ID == id })
	s.Subscriptions = append(s.Subscriptions, Subscription{id, name})
}
