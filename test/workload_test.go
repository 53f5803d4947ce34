package test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerservice/armcontainerservice/v6"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/msi/armmsi"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources/v3"
)

func init() {
	programs["make-workload"], programs["as-the-pod"] = makeWorkload, asThePod
}

// makeWorkload makes a cluster with an OIDC issuer and an identity that the service account shop/cart of it may act as,
// a reader of the group rg-sdk, and prints the identity's client id.
func makeWorkload(ctx context.Context, sub string) error {
	cred, err := azidentity.NewEnvironmentCredential(nil)
	if err != nil {
		return err
	}
	groups, err1 := armresources.NewResourceGroupsClient(sub, cred, nil)
	clusters, err2 := armcontainerservice.NewManagedClustersClient(sub, cred, nil)
	identities, err3 := armmsi.NewUserAssignedIdentitiesClient(sub, cred, nil)
	federated, err4 := armmsi.NewFederatedIdentityCredentialsClient(sub, cred, nil)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return err
	}
	if _, err := groups.CreateOrUpdate(ctx, "rg-sdk", armresources.ResourceGroup{Location: to.Ptr("westeurope")}, nil); err != nil {
		return err
	}
	poller, err := clusters.BeginCreateOrUpdate(ctx, "rg-sdk", "aks-sdk", armcontainerservice.ManagedCluster{
		Location: to.Ptr("westeurope"), Identity: &armcontainerservice.ManagedClusterIdentity{Type: to.Ptr(armcontainerservice.ResourceIdentityTypeSystemAssigned)},
		Properties: &armcontainerservice.ManagedClusterProperties{
			DNSPrefix: to.Ptr("sdk"), OidcIssuerProfile: &armcontainerservice.ManagedClusterOIDCIssuerProfile{Enabled: to.Ptr(true)},
			AgentPoolProfiles: []*armcontainerservice.ManagedClusterAgentPoolProfile{{Name: to.Ptr("nodepool1"), Mode: to.Ptr(armcontainerservice.AgentPoolModeSystem), Count: to.Ptr[int32](1), VMSize: to.Ptr("Standard_DS2_v2")}},
		},
	}, nil)
	if err != nil {
		return err
	}
	cluster, err := poller.PollUntilDone(ctx, nil)
	if err != nil {
		return err
	}
	made, err := identities.CreateOrUpdate(ctx, "rg-sdk", "id-sdk", armmsi.Identity{Location: to.Ptr("westeurope")}, nil)
	if err != nil {
		return err
	}
	if err := grantReader(ctx, sub, cred, *made.Properties.PrincipalID); err != nil {
		return err
	}
	_, err = federated.CreateOrUpdate(ctx, "rg-sdk", "id-sdk", "cart", armmsi.FederatedIdentityCredential{Properties: &armmsi.FederatedIdentityCredentialProperties{
		Issuer: cluster.Properties.OidcIssuerProfile.IssuerURL, Subject: to.Ptr("system:serviceaccount:shop:cart"), Audiences: []*string{to.Ptr("api://AzureADTokenExchange")}}}, nil)
	fmt.Println(*made.Properties.ClientID)
	return err
}

// asThePod is a program in a pod with workload identity.
func asThePod(ctx context.Context, sub string) error {
	cred, err := azidentity.NewWorkloadIdentityCredential(nil)
	if err != nil {
		return err
	}
	return printGroups(ctx, sub, cred)
}

// TestPod runs a program of the Azure SDK for Go as a pod: its service account's token becomes one of Entra's.
func TestPod(t *testing.T) {
	c := up(t)
	sub := strings.TrimSpace(c.exec(t, "", "printenv", "AZURE_SUBSCRIPTION_ID").stdout)
	made := c.program(t, "", "make-workload", sub)
	client := strings.TrimSpace(made.stdout)
	if made.code != 0 || len(client) != 36 {
		t.Fatalf("%+v", made)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c.env = append(c.env, programVar+"=as-the-pod")
	pod := func(account, id string) result {
		t.Helper()
		return c.run(t, "exec", "--as", "sa:aks-sdk/"+account, "--client-id", id, "--", self, sub)
	}
	if r := pod("shop/cart", client); r.code != 0 || r.stdout != "rg-sdk\n" {
		t.Errorf("the right service account: %+v", r)
	}
	if r := pod("shop/other", client); r.code == 0 || !strings.Contains(r.stderr, "AADSTS700213: No matching federated identity record found for presented assertion subject 'system:serviceaccount:shop:other'") {
		t.Errorf("another service account: %+v", r)
	}
	if r := pod("shop/cart", "00000000-0000-4000-8000-000000000001"); r.code == 0 || !strings.Contains(r.stderr, "AADSTS700016") {
		t.Errorf("an unknown client id: %+v", r)
	}
}
