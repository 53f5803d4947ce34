module aksid

go 1.26
