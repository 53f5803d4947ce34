package test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/authorization/armauthorization/v2"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/msi/armmsi"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources/v3"
)

// Programs that "aksid exec" runs: ordinary Azure SDK programs for the public cloud, which know nothing of aksid.
var programs = map[string]func(context.Context, string) error{
	"list-groups":    listGroups,
	"make-identity":  makeIdentity,
	"as-the-machine": asTheMachine,
	"as-identity":    asIdentity,
}

// runProgram runs one of programs; its only argument follows the test binary's name.
func runProgram(name string) int {
	if err := programs[name](context.Background(), os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func listGroups(ctx context.Context, sub string) error {
	cred, err := azidentity.NewDefaultAzureCredential(nil)
	if err != nil {
		return err
	}
	return printGroups(ctx, sub, cred)
}

func printGroups(ctx context.Context, sub string, cred azcore.TokenCredential) error {
	client, err := armresources.NewResourceGroupsClient(sub, cred, nil)
	if err != nil {
		return err
	}
	for pager := client.NewListPager(nil); pager.More(); {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, g := range page.Value {
			fmt.Println(*g.Name)
		}
	}
	return nil
}

// makeIdentity makes two resource groups, and an identity in one that may read it, and prints the identity's id.
func makeIdentity(ctx context.Context, sub string) error {
	cred, err := azidentity.NewEnvironmentCredential(nil)
	if err != nil {
		return err
	}
	groups, err := armresources.NewResourceGroupsClient(sub, cred, nil)
	if err != nil {
		return err
	}
	for _, name := range []string{"rg-other", "rg-sdk"} {
		if _, err := groups.CreateOrUpdate(ctx, name, armresources.ResourceGroup{Location: to.Ptr("westeurope")}, nil); err != nil {
			return err
		}
	}
	identities, err := armmsi.NewUserAssignedIdentitiesClient(sub, cred, nil)
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
	fmt.Println(*made.ID)
	return nil
}

func grantReader(ctx context.Context, sub string, cred azcore.TokenCredential, principal string) error {
	client, err := armauthorization.NewRoleAssignmentsClient(sub, cred, nil)
	if err != nil {
		return err
	}
	const name, reader = "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f0", "acdd72a7-3385-48ef-bd42-f606fba81ae7"
	scope := "/subscriptions/" + sub
	_, err = client.Create(ctx, scope+"/resourceGroups/rg-sdk", name, armauthorization.RoleAssignmentCreateParameters{
		Properties: &armauthorization.RoleAssignmentProperties{
			PrincipalID: &principal, PrincipalType: to.Ptr(armauthorization.PrincipalTypeServicePrincipal),
			RoleDefinitionID: to.Ptr(scope + "/providers/Microsoft.Authorization/roleDefinitions/" + reader),
		},
	}, nil)
	return err
}

func asTheMachine(ctx context.Context, sub string) error {
	cred, err := azidentity.NewManagedIdentityCredential(nil)
	if err != nil {
		return err
	}
	return printGroups(ctx, sub, cred)
}

// asIdentity names the identity that it wants of the machine: its argument is a subscription and an identity's id.
func asIdentity(ctx context.Context, arg string) error {
	sub, id, _ := strings.Cut(arg, " ")
	cred, err := azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{ID: azidentity.ResourceID(id)})
	if err != nil {
		return err
	}
	return printGroups(ctx, sub, cred)
}

// program runs one of programs through "aksid exec".
func (c *cloud) program(t *testing.T, as, name, arg string) result {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c.env = append(c.env, programVar+"="+name)
	return c.exec(t, as, self, arg)
}

// TestSDK runs programs that are written with the Azure SDK for Go for the public cloud, unchanged.
func TestSDK(t *testing.T) {
	c := up(t)
	sub := strings.TrimSpace(c.exec(t, "", "printenv", "AZURE_SUBSCRIPTION_ID").stdout)
	made := c.program(t, "", "make-identity", sub)
	id := strings.TrimSpace(made.stdout)
	if made.code != 0 || !strings.HasSuffix(id, "/userAssignedIdentities/id-sdk") {
		t.Fatalf("%+v", made)
	}
	if r := c.program(t, "", "list-groups", sub); r.stdout != "rg-other\nrg-sdk\n" {
		t.Errorf("as the operator: %+v", r)
	}
	as := "mi:" + id
	if r := c.program(t, as, "as-the-machine", sub); r.stdout != "rg-sdk\n" {
		t.Errorf("as a managed identity: %+v", r)
	}
	if r := c.program(t, as, "as-identity", sub+" "+id); r.stdout != "rg-sdk\n" {
		t.Errorf("as a named managed identity: %+v", r)
	}
	if r := c.program(t, as, "as-identity", sub+" "+id+"2"); r.code != 1 || !strings.Contains(r.stderr, "Identity not found") {
		t.Errorf("an identity that the machine does not have: %+v", r)
	}
}
