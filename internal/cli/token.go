package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"aksid/internal/azure"
	"aksid/internal/local"
)

type tokenOptions struct {
	Data, Cluster, Account, Audience string
	Life                             time.Duration
}

func newToken(a *App) *cobra.Command {
	var o tokenOptions
	cmd := &cobra.Command{
		Use:   "token --cluster CLUSTER --service-account NAMESPACE/NAME",
		Short: "Mint the token of a Kubernetes service account",
		Long: `Print the token that a pod of a service account finds in its file, signed by the OIDC issuer of a cluster of the
running local Azure. Entra takes it in place of a secret where a federated credential has its issuer, subject and
audience.`,
		Example: `  aksid token --cluster aks1 --service-account shop/cart
  az login --service-principal -u CLIENT-ID --tenant TENANT --federated-token "$(aksid token --cluster aks1 --service-account shop/cart)"`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runToken(cmd.Context(), a, o) },
	}
	dataFlag(cmd, &o.Data)
	cmd.Flags().StringVar(&o.Cluster, "cluster", "", "`cluster`: a name, resourceGroup/name or a resource id")
	cmd.Flags().StringVar(&o.Account, "service-account", "", "`namespace/name` of the service account")
	cmd.Flags().StringVar(&o.Audience, "audience", local.TokenExchange, "`audience` of the token")
	cmd.Flags().DurationVar(&o.Life, "duration", time.Hour, "how long it is good, 10m to 24h")
	return cmd
}

func runToken(ctx context.Context, a *App, o tokenOptions) error {
	if o.Cluster == "" {
		return usagef("name a cluster: --cluster aks1")
	}
	return onLocal(ctx, a, o.Data, func(az *local.Azure) error {
		token, err := projectedToken(ctx, az, o)
		if err == nil {
			_, err = fmt.Fprintln(a.Out, token.Token)
		}
		return err
	})
}

// projectedToken mints the token of a service account of a cluster that is named as people name clusters.
func projectedToken(ctx context.Context, az *local.Azure, o tokenOptions) (local.ProjectedToken, error) {
	namespace, name, ok := strings.Cut(o.Account, "/")
	if !ok || namespace == "" || name == "" {
		return local.ProjectedToken{}, usagef("%q is not a service account; give its namespace and name, as in shop/cart", o.Account)
	}
	cluster, err := oneCluster(ctx, az, o.Cluster)
	if err != nil {
		return local.ProjectedToken{}, err
	}
	token, err := az.ServiceAccountToken(ctx, local.ServiceAccount{Cluster: cluster, Namespace: namespace, Name: name, Audience: o.Audience, Seconds: int(o.Life.Seconds())})
	if err != nil {
		return token, usagef("no token of %s: %w", o.Account, err)
	}
	return token, nil
}

// oneCluster is the cluster of the local Azure that a name, resourceGroup/name or resource id means.
func oneCluster(ctx context.Context, az *local.Azure, name string) (azure.ID, error) {
	if id, err := azure.ParseID(name); err == nil && strings.HasPrefix(name, "/") {
		return id, nil
	}
	token, err := az.Token(ctx, az.Operator)
	if err != nil {
		return azure.ID{}, unreadf("the operator cannot log in: %w", err)
	}
	all, err := az.Clusters(ctx, token)
	if err != nil {
		return azure.ID{}, unreadf("the clusters cannot be listed: %w", err)
	}
	var found []azure.ID
	for _, id := range all {
		if strings.EqualFold(id.Name(), name) || strings.EqualFold(id.ResourceGroup()+"/"+id.Name(), name) {
			found = append(found, id)
		}
	}
	switch len(found) {
	case 0:
		return azure.ID{}, usagef("there is no cluster %q; see: aksid exec -- az aks list -o table", name)
	case 1:
		return found[0], nil
	}
	return azure.ID{}, usagef("%d clusters are called %q; name one as %s/%s", len(found), name, found[0].ResourceGroup(), found[0].Name())
}
