package remedy

// File is a file of a module.
type File struct{ Name, Text string }

func (p Plan) Bicep() []File     { return nil }
func (p Plan) ARM() []File       { return nil }
func (p Plan) Terraform() []File { return nil }
