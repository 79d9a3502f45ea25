module stacks

go 1.17
