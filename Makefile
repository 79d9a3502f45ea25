# For fingers that type make; everything is in ./dev.
.PHONY: all check demo fuzz bench clean
all:
	@./dev build
check test:
	@./dev test
demo fuzz bench clean:
	@./dev $@
