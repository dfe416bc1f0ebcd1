-- GETs one address
dofile(os.getenv("LOAD") .. "/common.lua")
