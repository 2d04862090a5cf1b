-- SPDX-License-Identifier: Apache-2.0
-- For wrk: pipeline.lua -- N.  It sends N requests in one piece, and counts their answers.

local piece

function init(args)
	piece = string.rep(wrk.format(), tonumber(args[1]))
end

function request()
	return piece
end
