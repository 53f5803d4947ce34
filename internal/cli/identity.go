package cli

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/local"
)

// identity is who a program runs as.
type identity struct {
	credential    local.Credential // of a service principal
	machine       azure.ID         // or the machine whose identity it is
	tokenFile     string           // or the file with a pod's token; the credential says no more than the client id
	subscriptions []string         // that it can see
	temporary     bool             // the credential ends with the program
	refused       bool             // it cannot log in, which was said
	release       func()
}

func (i identity) subscription() string {
	if len(i.subscriptions) == 0 {
		return ""
	}
	return i.subscriptions[0]
}

// identify finds out who --as means and makes sure that it can log in.
func identify(ctx context.Context, a *App, az *local.Azure, o execOptions) (identity, error) {
	as := o.As
	who := identity{credential: az.Operator, release: func() {}}
	if account, ok := strings.CutPrefix(as, podPrefix); ok {
		return asPod(ctx, a, az, account, o.Client)
	}
	if o.Client != "" {
		return who, usagef("--client-id is of pods alone; give --as %sCLUSTER/NAMESPACE/NAME with it", podPrefix)
	}
	if id, ok := strings.CutPrefix(as, machinePrefix); ok {
		return asMachine(ctx, az, id)
	}
	token, err := az.Token(ctx, az.Operator)
	if err != nil {
		return who, unreadf("the operator cannot log in: %w", err)
	}
	if as != "" {
		if who, err = asServicePrincipal(ctx, a, az, token, as); err != nil {
			return who, err
		}
		if token, err = az.Token(ctx, who.credential); err != nil {
			who.release()
			return who, unreadf("%s cannot log in: %w", as, err)
		}
	}
	if who.subscriptions, err = az.VisibleSubscriptions(ctx, token); err != nil {
		who.release()
		return who, unreadf("the subscriptions cannot be listed: %w", err)
	}
	return who, nil
}

func asMachine(ctx context.Context, az *local.Azure, id string) (identity, error) {
	machine, err := azure.ParseID(id)
	if err != nil || machine.Type() == "" {
		return identity{}, usagef("%s%s does not name a resource; give a whole resource id, as in /subscriptions/…/userAssignedIdentities/id1", machinePrefix, id)
	}
	token, err := az.MachineToken(ctx, machine)
	if err != nil {
		return identity{}, usagef("%s has no managed identity to run as: %w; see: aksid exec -- az resource show --ids %s", id, err, id)
	}
	who := identity{machine: machine, release: func() {}}
	if who.subscriptions, err = az.VisibleSubscriptions(ctx, token); err != nil {
		return who, unreadf("the subscriptions cannot be listed: %w", err)
	}
	return who, nil
}

// podLife is how long a pod's token is good here. A kubelet renews it before it expires, which is not done for a program.
const podLife = 24 * time.Hour

// asPod is a pod of a service account: what workload identity's webhook gives it. Whether Entra takes the token is the
// program's business, as it is the pod's.
func asPod(ctx context.Context, a *App, az *local.Azure, account, client string) (identity, error) {
	who := identity{temporary: true, release: func() {}, credential: local.Credential{Tenant: az.Tenant}}
	cluster, rest, ok := cutLast(account, 2)
	if !ok {
		return who, usagef("%s%s does not name a service account; give it as in %saks1/shop/cart", podPrefix, account, podPrefix)
	}
	if client != "" {
		var err error
		if who.credential.ClientID, err = azure.ParseGUID(client); err != nil {
			return who, usagef("--client-id %s is not a client id; see: aksid exec -- az identity list -o table", client)
		}
	}
	token, err := projectedToken(ctx, az, tokenOptions{Cluster: cluster, Account: rest, Audience: local.TokenExchange, Life: podLife})
	if err != nil {
		return who, err
	}
	folder, err := os.MkdirTemp("", "aksid-pod-") // mode 0700
	if err != nil {
		return who, err
	}
	who.release = func() { os.RemoveAll(folder) }
	who.tokenFile = filepath.Join(folder, "azure-identity-token")
	if err := os.WriteFile(who.tokenFile, []byte(token.Token), 0o600); err != nil {
		who.release()
		return who, err
	}
	if who.refused = client == ""; who.refused {
		a.note("the service account %s names no identity; name its client id with --client-id, or in the program", rest)
		return who, nil
	}
	access, err := az.FederatedToken(ctx, who.credential.ClientID, token.Token)
	if err == nil {
		who.subscriptions, err = az.VisibleSubscriptions(ctx, access)
	}
	if who.refused = err != nil; who.refused {
		a.note("warning: Entra does not take the token of %s for %s: %v", token.Subject, client, err)
	}
	return who, nil
}

// cutLast splits a text before its last n parts.
func cutLast(text string, n int) (before, after string, ok bool) {
	parts := strings.Split(text, "/")
	if len(parts) <= n {
		return text, "", false
	}
	return strings.Join(parts[:len(parts)-n], "/"), strings.Join(parts[len(parts)-n:], "/"), true
}

// secretLife bounds how long the secret of an exec lives that was killed before it could take it back.
const secretLife = 24 * time.Hour

func asServicePrincipal(ctx context.Context, a *App, az *local.Azure, token, name string) (identity, error) {
	who := identity{credential: az.Operator, release: func() {}}
	p, err := onePrincipal(ctx, az, token, name)
	if err != nil || p.ID == az.Operator.ObjectID {
		return who, err
	}
	clock, err := az.Clock(ctx) // which may be ahead
	if err != nil {
		return who, unreadError{err}
	}
	secret, err := az.AddSecret(ctx, token, p.ID, "aksid exec", clock.Now.Add(secretLife))
	if err != nil {
		return who, unreadf("no secret can be made for %s: %w", name, err)
	}
	return identity{
		credential: local.Credential{ClientID: p.AppID, ObjectID: p.ID, Tenant: az.Tenant, Secret: secret.Text},
		temporary:  true,
		release: func() {
			if err := az.RemoveSecret(context.WithoutCancel(ctx), token, p.ID, secret.KeyID); err != nil {
				a.note("warning: the secret made for %s could not be taken back and ends in %s: %v", p.Name, secretLife, err)
			}
		},
	}, nil
}

// onePrincipal is the service principal that a name, a client id or an object id means.
func onePrincipal(ctx context.Context, az *local.Azure, token, name string) (local.Principal, error) {
	found, err := az.Principals(ctx, token, name)
	switch {
	case err != nil:
		return local.Principal{}, unreadf("the directory cannot be searched for %s: %w", name, err)
	case len(found) == 0:
		return local.Principal{}, usagef("there is no service principal %q; see: aksid exec -- az ad sp list --all -o table", name)
	case len(found) > 1:
		return local.Principal{}, usagef("%d service principals are called %q; name one by its object id, as in --as %s", len(found), name, found[0].ID)
	case found[0].Type == "ManagedIdentity":
		return local.Principal{}, usagef("%q is a managed identity, which has no secret; run as the machine that has it: --as %s%s", name, machinePrefix, found[0].Resource())
	}
	return found[0], nil
}
