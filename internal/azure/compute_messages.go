package azure

// The compute resource provider.
var (
	ComputeMissing = message(400, "InvalidParameter",
		"Required parameter '{path}' is missing (null).", "recorded, compute")
	ComputeInvalid = message(400, "InvalidParameter",
		"The value '{value}' of parameter '{path}' is invalid. Allowed values are: {allowed}.", "compute")
	DiskOwned = message(409, "ConflictingUserInput",
		"Disk '{disk}' cannot be attached as the disk is already owned by VM '{user}'.", "recorded")
	DiskAttached = message(409, "OperationNotAllowed",
		"Disk {short} is attached to VM {user}. Detach the disk before it is deleted.", "recorded; the second sentence is our own")
	DiskShrinks = message(400, "ResizeDiskError",
		"Disk size reduction is not supported. Current size is {old} bytes, requested size is {size} bytes.", "recorded")
	LUNTaken = message(400, "InvalidParameter",
		"A disk at LUN {lun} already exists.", "Microsoft Learn: common VM error codes")
	TooManyDisks = message(409, "OperationNotAllowed",
		"The maximum number of data disks allowed to be attached to a VM of this size is {max}.", "Microsoft Learn: common VM error codes")
	SizeNotAvailable = message(400, "InvalidParameter",
		"The requested VM size {size} is not available in the current region. The sizes available in the current region are: {sizes}. Find out more on the available VM sizes in each region at https://aka.ms/azure-regions.", "Microsoft Learn: common VM error codes")
	AvailabilitySetInUse = message(409, "OperationNotAllowed",
		"Availability Set {name} cannot be deleted. Before deleting an Availability Set please ensure that it does not contain any VM.", "Microsoft Learn: common VM error codes")
	ComputeInUse = message(409, "OperationNotAllowed",
		"Resource {id} cannot be deleted because it is in use by {user}.", "compute")
	InterfaceInUse = message(400, "NicInUse",
		"Network Interface {id} is used by existing resource {user}.", "recorded, compute")
	InstanceUnknown = message(404, "InstanceIdNotFound",
		"The provided instanceId {instance} not found.", "recorded, compute")
	CapacityTooLarge = message(400, "InvalidParameter",
		"The value of parameter sku.capacity is invalid: a scale set has 0 to 1000 virtual machines.", "compute")
	ImageNotFound = message(404, "NotFound",
		"Artifact: VMImage was not found: {image}.", "recorded, compute; the name is our own")
)
