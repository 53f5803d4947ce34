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

// makeIdentity makes a resource group and an identity in it, and prints the identity's id.
func makeIdentity(ctx context.Context, sub string) error {
	cred, err := azidentity.NewEnvironmentCredential(nil)
	if err != nil {
		return err
	}
	groups, err := armresources.NewResourceGroupsClient(sub, cred, nil)
	if err != nil {
		return err
	}
	if _, err := groups.CreateOrUpdate(ctx, "rg-sdk", armresources.ResourceGroup{Location: to.Ptr("westeurope")}, nil); err != nil {
		return err
	}
	identities, err := armmsi.NewUserAssignedIdentitiesClient(sub, cred, nil)
	if err != nil {
		return err
	}
	made, err := identities.CreateOrUpdate(ctx, "rg-sdk", "id-sdk", armmsi.Identity{Location: to.Ptr("westeurope")}, nil)
	if err != nil {
		return err
	}
	fmt.Println(*made.ID)
	return nil
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
	if r := c.program(t, "", "list-groups", sub); r.stdout != "rg-sdk\n" {
		t.Errorf("as the operator: %+v", r)
	}
	as := "mi:" + id
	if r := c.program(t, as, "as-the-machine", sub); r.code != 1 || !strings.Contains(r.stderr, "AuthorizationFailed") {
		t.Errorf("a managed identity without roles: %+v", r)
	}
	if r := c.program(t, as, "as-identity", sub+" "+id); r.code != 1 || !strings.Contains(r.stderr, "AuthorizationFailed") {
		t.Errorf("a named managed identity without roles: %+v", r)
	}
	if r := c.program(t, as, "as-identity", sub+" "+id+"2"); r.code != 1 || !strings.Contains(r.stderr, "Identity not found") {
		t.Errorf("an identity that the machine does not have: %+v", r)
	}
}
