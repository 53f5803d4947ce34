// An ordinary Azure program for the public cloud: it knows nothing of aksid. "aksid exec" gives it an identity, the way
// to the cloud and the certificate to trust. Its argument says what it does; what it finds is printed as JSON.
import { DefaultAzureCredential } from "@azure/identity";
import { NetworkManagementClient } from "@azure/arm-network";
import { ResourceManagementClient } from "@azure/arm-resources";

const subscription = process.env.AZURE_SUBSCRIPTION_ID;
const credential = new DefaultAzureCredential();
const resources = new ResourceManagementClient(credential, subscription);
const network = new NetworkManagementClient(credential, subscription);
const group = "rg-js";

async function build() {
  await resources.resourceGroups.createOrUpdate(group, { location: "westeurope", tags: { by: "javascript" } });
  await network.virtualNetworks.beginCreateOrUpdateAndWait(group, "vnet-js", {
    location: "westeurope",
    addressSpace: { addressPrefixes: ["10.9.0.0/16"] },
    subnets: [{ name: "nodes", addressPrefix: "10.9.1.0/24" }],
  });
  const groups = [];
  for await (const g of resources.resourceGroups.list()) groups.push(g.name);
  const { tags } = await resources.resourceGroups.get(group);
  const vnet = await network.virtualNetworks.get(group, "vnet-js");
  const found = [];
  for await (const r of resources.resources.listByResourceGroup(group)) found.push(r.type);
  return { groups, tags, prefixes: vnet.addressSpace.addressPrefixes, subnets: vnet.subnets.map((s) => s.name), found };
}

async function refused() {
  try {
    await network.virtualNetworks.get(group, "vnet-js");
  } catch (e) {
    return { status: e.statusCode, code: e.code };
  }
  return { status: 200 };
}

async function remove() {
  await resources.resourceGroups.beginDeleteAndWait(group);
  const { body } = await resources.resourceGroups.checkExistence(group);
  return { exists: body };
}

const commands = { build, refused, remove };
console.log(JSON.stringify(await commands[process.argv[2]]()));
