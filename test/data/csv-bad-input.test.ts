// Is each way in which a table can be bad told by an error of its own, with line, header, count and what would help?
import { readFileSync } from "node:fs";
import { gzipSync, strToU8, zipSync } from "fflate";
import { describe, expect, test } from "vitest";
import type { CsvSelection } from "../../src/data/csv.ts";
import type { CsvError, CsvProblemKind } from "../../src/data/csv-error.ts";
import { bytesOf, errorOf, readTableOf, toBytes } from "./support.ts";

type Problem = [kind: CsvProblemKind, column: string | null, line: number, count: number];

interface BadInput {
  /** What is wrong. */
  is: string;
  /** The file. */
  of: string | Uint8Array;
  with?: Partial<CsvSelection>;
  says: RegExp;
  problems?: Problem[];
  fix?: CsvError["fix"];
}

const KIB64 = "7".repeat(65_537);
const WORD64 = "w".repeat(65_537);
const MIB = "1".repeat(2 ** 20 + 1);
const NOT_UTF8 = [0xff];
const HALF = [0xe2, 0x82]; // two bytes of the three of a euro sign
const SURROGATE = [0xed, 0xa0, 0x80];
const OVERLONG = [0xc0, 0xaf];
const names = (count: number) => Array.from({ length: count }, (_, j) => `c${j}`).join();
const labels = (count: number) => Array.from({ length: count }, (_, i) => `1,L${i}\n`).join("");

// biome-ignore format: one line a case
const BAD_INPUTS: BadInput[] = [
  // Cells of features.
  { is: "text", of: "a,b,Class\n1,x,A\n2,2,B\n3,y,A\n", says: /1 problem:\n {2}column "b": "x" is not a decimal number \(2 rows, the first: line 2\)$/, problems: [["text", "b", 2, 2]], fix: { drop: ["b"] } },
  { is: "an empty field", of: "a,b,Class\n1,1,A\n2,,B\n", says: /column "b": the field is empty \(1 row: line 3\)$/, problems: [["empty", "b", 3, 1]], fix: { drop: ["b"] } },
  { is: "a blank field", of: "a,b,Class\n1, \t,A\n2,2,B\n", says: /column "b": the field is empty/, problems: [["empty", "b", 2, 1]], fix: { drop: ["b"] } },
  { is: "an empty field in quotes", of: 'a,b,Class\n1,"",A\n2,2,B\n', says: /column "b": the field is empty/, problems: [["empty", "b", 2, 1]], fix: { drop: ["b"] } },
  { is: "an empty field at a CRLF", of: "Class,a,b\r\nA,1,\r\nB,2,2\r\n", says: /column "b": the field is empty/, problems: [["empty", "b", 2, 1]], fix: { drop: ["b"] } },
  { is: "NaN", of: "a,b,Class\n1,NaN,A\n2,2,B\n", says: /column "b": "NaN" is not a finite number/, problems: [["non_finite", "b", 2, 1]], fix: { drop: ["b"] } },
  { is: "nan, Infinity, -inf", of: "a,b,Class\n1,nan,A\n2,Infinity,B\n3, -inf ,A\n", says: /column "b": "nan" is not a finite number \(3 rows, the first: line 2\)/, problems: [["non_finite", "b", 2, 3]], fix: { drop: ["b"] } },
  { is: "1e400", of: "a,b,Class\n1,1e400,A\n2,-1e400,B\n", says: /column "b": "1e400" is beyond the largest f64 \(2 rows/, problems: [["too_large", "b", 2, 2]], fix: { drop: ["b"] } },
  { is: "several kinds in one column", of: "a,b,Class\n1,x,A\n2,,B\n3,inf,A\n4,,A\n", says: /3 problems:\n.*"b": "x" is not.*line 2\)\n.*"b": the field is empty \(2 rows, the first: line 3\)\n.*"b": "inf" is not.*line 4\)$/, problems: [["text", "b", 2, 1], ["empty", "b", 3, 2], ["non_finite", "b", 4, 1]], fix: { drop: ["b"] } },
  { is: "several columns at once", of: "a,b,c,Class\n1,x,,A\n2,2,2,B\n3,3,1e999,A\n", says: /3 problems:\n {2}column "b".*\n {2}column "c".*\n {2}column "c"/, problems: [["text", "b", 2, 1], ["empty", "c", 2, 1], ["too_large", "c", 4, 1]], fix: { drop: ["b", "c"] } },
  { is: "no column left to train on", of: "a,Class\nx,A\ny,B\n", says: /column "a": "x" is not/, problems: [["text", "a", 2, 2]] },
  { is: "NA, null, None", of: "a,b,Class\n1,NA,A\n2,null,B\n3,None,A\n", says: /column "b": "NA" is not a decimal number \(3 rows/, problems: [["text", "b", 2, 3]], fix: { drop: ["b"] } },
  { is: "thousands separators", of: 'a,b,Class\n1,"1,234.5",A\n2,2,B\n', says: /column "b": "1,234\.5" is not a decimal number/, problems: [["text", "b", 2, 1]], fix: { drop: ["b"] } },
  { is: "a decimal comma", of: 'a,b,Class\n1,"1.234,5",A\n2,"1,5",B\n', says: /column "b": "1\.234,5" is not a decimal number \(2 rows/, problems: [["text", "b", 2, 2]], fix: { drop: ["b"] } },
  { is: "a decimal comma without quotes", of: "a,b,Class\n1,2,A\n1,1,5,B\n", says: /rows: the row has 4 fields where the header has 3 \(1 row: line 3\)/, problems: [["ragged", null, 3, 1]] },
  { is: "a per cent sign", of: "a,b,Class\n1,5%,A\n2,2,B\n", says: /"5%" is not a decimal number/, problems: [["text", "b", 2, 1]], fix: { drop: ["b"] } },
  { is: "a hexadecimal number", of: "a,b,Class\n1,0x1F,A\n2,2,B\n", says: /"0x1F" is not a decimal number/, problems: [["text", "b", 2, 1]], fix: { drop: ["b"] } },
  { is: "an underscore", of: "a,b,Class\n1,1_000,A\n2,2,B\n", says: /"1_000" is not a decimal number/, problems: [["text", "b", 2, 1]], fix: { drop: ["b"] } },
  { is: "a no-break space", of: "a,b,Class\n1,1\u00a0000,A\n2,2,B\n", says: /"1\u00a0000" is not a decimal number/, problems: [["text", "b", 2, 1]], fix: { drop: ["b"] } },
  { is: "a formula", of: "a,b,Class\n1,=1+1,A\n2,2,B\n", says: /"=1\+1" is not a decimal number/, problems: [["text", "b", 2, 1]], fix: { drop: ["b"] } },
  { is: "a formula in quotes", of: 'a,b,Class\n1,"=SUM(A1,A2)",A\n2,2,B\n', says: /"=SUM\(A1,A2\)" is not a decimal number/, problems: [["text", "b", 2, 1]], fix: { drop: ["b"] } },
  { is: "a terminal's control sequence", of: "a,b,Class\n1,\u001b[2J\u009b2J\u202e,A\n2,2,B\n", says: /"\\u001b\[2J\\u009b2J\\u202e" is not/, problems: [["text", "b", 2, 1]], fix: { drop: ["b"] } },
  { is: "a long text", of: `a,b,Class\n1,${"é🍇".repeat(500)},A\n2,2,B\n`, says: /column "b": "(é🍇){32}…" is not a decimal number/u, problems: [["text", "b", 2, 1]], fix: { drop: ["b"] } },
  { is: "a column with problems that is dropped for another", of: "a,b,c,Class\n1,x,y,A\n2,2,2,B\n", with: { drop: ["b"] }, says: /1 problem:\n {2}column "c"/, problems: [["text", "c", 2, 1]], fix: { drop: ["c"] } },
  { is: "a chosen column with problems", of: "a,b,c,Class\n1,x,y,A\n2,2,2,B\n", with: { features: ["c", "a"] }, says: /1 problem:\n {2}column "c"/, problems: [["text", "c", 2, 1]], fix: { drop: ["c"] } },
  { is: "text, and one class only, which leaving a column out does not cure", of: "a,b,Class\n1,x,A\n2,2,A\n", says: /column "b"/, problems: [["text", "b", 2, 1]] },

  // Rows.
  { is: "a short row", of: "a,b,Class\n1,1,A\n2,B\n", says: /rows: the row has 2 fields where the header has 3 \(1 row: line 3\)$/, problems: [["ragged", null, 3, 1]] },
  { is: "a long row", of: "a,b,Class\n1,1,A\n2,2,B,9\n3,3,A,\n", says: /rows: the row has 4 fields where the header has 3 \(2 rows, the first: line 3\)$/, problems: [["ragged", null, 3, 2]] },
  { is: "a row of blanks", of: "a,b,Class\n1,1,A\n  \n2,2,B\n", says: /the row has 1 fields/, problems: [["ragged", null, 3, 1]] },
  { is: "a row of empty fields", of: "a,b,Class\n,,\n1,1,A\n2,2,B\n", says: /3 problems/, problems: [["empty", "a", 2, 1], ["empty", "b", 2, 1], ["label_empty", "Class", 2, 1]] },
  { is: "a shifted row, whose cells are not problems too", of: "a,b,Class\n1,1,A\n2,oops,2,B\n3,3,B\n", says: /1 problem:\n {2}rows: /, problems: [["ragged", null, 3, 1]] },
  { is: "a shifted row with quotes", of: 'a,b,Class\n1,1,A\n2,"oo,ps",2,B\n3,3,B\n', says: /1 problem:\n {2}rows: /, problems: [["ragged", null, 3, 1]] },
  { is: "a long first row", of: "a,Class\n1,1,A\n2,2,B\n", says: /the row has 3 fields where the header has 2 \(2 rows, the first: line 2\)/, problems: [["ragged", null, 2, 2]] },
  { is: "a cell beyond 65,536 characters", of: `a,b,Class\n1,${KIB64},A\n2,2,B\n`, says: /column "b": fields must have at most 65536 characters: "7{64}…" \(1 row: line 2\)/, problems: [["field_too_long", "b", 2, 1]] },
  { is: "a quoted cell beyond 65,536 characters", of: `a,b,Class\n1,"${KIB64}",A\n2,2,B\n`, says: /column "b": fields must have at most 65536/, problems: [["field_too_long", "b", 2, 1]] },
  { is: "a skipped cell beyond 65,536 characters", of: `a,b,Class\n1,${WORD64},A\n2,2,B\n`, with: { drop: ["b"] }, says: /column "b": fields must have at most 65536/, problems: [["field_too_long", "b", 2, 1]] },
  { is: "a label beyond 65,536 characters", of: `a,Class\n1,${WORD64}\n2,B\n`, says: /column "Class": fields must have at most 65536/, problems: [["field_too_long", "Class", 2, 1]] },
  { is: "a label beyond 1,024 characters", of: `a,Class\n1,${"w".repeat(1025)}\n2,B\n`, says: /column "Class": labels must have at most 1024 characters: "w{64}…"/, problems: [["label_too_long", "Class", 2, 1]] },
  { is: "a row beyond 1 MiB", of: `a,Class\n1,A\n${MIB},B\n`, says: /the row that begins at line 3 as rows must be at most 1 MiB/ },
  { is: "a row beyond 1 MiB of small cells", of: `a,Class\n1,A\n${"1,".repeat(2 ** 19)}B\n`, says: /the row that begins at line 3 as rows must be at most 1 MiB/ },
  { is: "a last row beyond 1 MiB without a line end", of: `a,Class\n1,A\n${MIB}`, says: /the row that begins at line 3 as rows must be at most 1 MiB/ },
  { is: "a header beyond 1 MiB", of: MIB, says: /the row that begins at line 1 as rows must be at most 1 MiB/ },
  { is: "a quoted row beyond 1 MiB", of: `a,Class\n1,A\n2,"\n${MIB}\n`, says: /the row that begins at line 3 as rows must be at most 1 MiB: the quote opened at line 3 may not be closed/ },

  // Quotes.
  { is: "a quote that is not closed", of: 'a,b,Class\n1,1,A\n2,"2,B\n3,3,A\n', says: /a quote opened at line 3 is not closed/ },
  { is: "a quote that is not closed in a record of several lines", of: 'a,b,Class\n1,1,A\n"2\n2",",B\n3,3,A\n', says: /a quote opened at line 4 is not closed/ },
  { is: "a quote at the very end", of: 'a,b,Class\n1,1,A\n2,2,"', says: /a quote opened at line 3 is not closed/ },
  { is: "a doubled quote at the very end", of: 'a,b,Class\n1,1,A\n2,2,"B""', says: /a quote opened at line 3 is not closed/ },
  { is: "a quote in the header that is not closed", of: 'a,"b,Class\n1,1,A\n', says: /a quote opened at line 1 is not closed/ },
  { is: "text after a closing quote", of: 'a,b,Class\n1,1,A\n2,"2"x,B\n', says: /text follows a closing quote at line 3; the quote was opened at line 3/ },
  { is: "text after a closing quote lines below the opening one", of: 'a,b,Class\n1,5",A\n2,"2,B\n3,3,A\n4,"4,B\n', says: /text follows a closing quote at line 5; the quote was opened at line 3/ },
  { is: "a quote after a closing quote and a blank", of: 'a,b,Class\n1,"1" "2",A\n', says: /text follows a closing quote at line 2/ },
  { is: "a lone carriage return after a closing quote", of: 'a,b,Class\n1,"1"\r,A\n', says: /text follows a closing quote at line 2/ },
  { is: "a no-break space after a closing quote", of: 'a,b,Class\n1,"1"\u00a0,A\n', says: /text follows a closing quote at line 2/ },
  { is: "a blank before an opening quote", of: 'a,b,Class\n1, "1",A\n2,2,B\n', says: /" \\"1\\"" is not a decimal number/, problems: [["text", "b", 2, 1]], fix: { drop: ["b"] } },

  // The header.
  { is: "two equal headers", of: "a,b,a,Class\n1,1,1,A\n", says: /headers must differ: columns 1 and 3 are both "a"$/ },
  { is: "the label twice", of: "Class,a,Class\nA,1,A\n", says: /headers must differ: columns 1 and 3 are both "Class"$/ },
  { is: "equal headers, one in quotes", of: 'a,"a",Class\n1,1,A\n', says: /headers must differ: columns 1 and 2 are both "a"$/ },
  { is: "__proto__ twice", of: "__proto__,__proto__,Class\n1,1,A\n", says: /headers must differ: columns 1 and 2 are both "__proto__"$/ },
  { is: "an empty header", of: "a,,Class\n1,1,A\n", says: /column 2 has no name/ },
  { is: "a blank header", of: "a,b, \n1,1,A\n", says: /column 3 has no name/ },
  { is: "a comma at the end of the header", of: "a,Class,\n1,A,\n", says: /column 3 has no name/ },
  { is: "a header of one empty field", of: '""\n1\n', says: /its header is empty$/ },
  { is: "blank lines and no more", of: "\n\r\n\n", says: /the file is empty$/ },
  { is: "a header without a name below blank lines", of: "\n\r\na,,Class\n1,1,A\n", says: /column 2 has no name: give it one in line 3$/ },
  { is: "a quoted header without a name below blank lines", of: '\n\r\na,"",Class\n1,1,A\n', says: /column 2 has no name: give it one in line 3$/ },
  { is: "a problem below blank lines before the header", of: "\n\r\na,b,Class\n1,1,A\n2,x,B\n", says: /\(1 row: line 5\)$/, problems: [["text", "b", 5, 1]], fix: { drop: ["b"] } },
  { is: "a byte that is no text below a blank line", of: bytesOf("\na", [0xff], ",Class\n1,A\n"), says: /byte 2 \(line 2\)/ },
  { is: "more than 16,384 columns", of: `${names(16_385)},Class\n`, says: /at most 16384 columns: the header has 16386$/ },
  { is: "half a million columns", of: `${"a,".repeat(2 ** 19 - 1)}b\n`, says: /at most 16384 columns: the header has 524288$/ },
  { is: "a header beyond 1,024 characters", of: `a,${"w".repeat(1025)},Class\n1,1,A\n`, says: /headers must have at most 1024 characters: column 2 is "w{64}…"$/ },
  { is: "a control character in the header", of: "a,\u001b[2J,Class\n1,1,A\n", says: /header "\\u001b\[2J" holds a control character$/ },

  // The label and the selection.
  { is: "a missing label of a like name", of: "Area,class\n1,A\n2,B\n", says: /Cannot find the label column "Class": the columns are "Area", "class"; with exactly two values: "Area", "class"; perhaps "class" is meant$/, fix: { label: "class" } },
  { is: "a missing label, and one column of two values", of: "Area,Kind\n1,A\n2,B\n3,A\n", says: /the columns are "Area", "Kind"; with exactly two values: "Kind"; perhaps "Kind" is meant$/, fix: { label: "Kind" } },
  { is: "a missing label and no candidate", of: "a,b\n1,4\n2,5\n3,6\n", says: /Cannot find the label column "Class": the columns are "a", "b"$/ },
  { is: "a missing label of a like name with three values", of: "a,class\n1,A\n2,B\n3,C\n", says: /perhaps "class" is meant$/ },
  { is: "a missing label in a file of two columns of text", of: 'a,"x","y"\n1,A,"p"\n2,B,"q"\n3,A,"p"\n', says: /two values: "x", "y"; perhaps "y" is meant$/, fix: { label: "y", drop: ["x"] } },
  { is: "a missing label, and a candidate with gaps", of: "a,Kind\n1,A\n2,\n3,B\n", says: /the columns are "a", "Kind"$/ },
  { is: "a missing label, and a candidate that is a chosen feature", of: "a,b,Kind\n1,1,0\n2,2,1\n3,3,0\n", with: { features: ["Kind"] }, says: /with exactly two values: "Kind"$/ },
  { is: "a missing label in quotes and several chunks", of: `a,"Kind"\n${'1,"A"\n2,"B"\n3,"A"\n'.repeat(9)}`, says: /perhaps "Kind" is meant$/, fix: { label: "Kind" } },
  { is: "a missing label in a file with a short row", of: "a,Kind\n1,A\n2,B\n3\n", says: /perhaps "Kind" is meant$/ },
  { is: "a missing label in a file with a NUL", of: "a,b,Kind\n1,1,A\n2,2\0,B\n", says: /perhaps "Kind" is meant$/ },
  { is: "a missing label, and a candidate with a control character", of: "a,Kind\n1,A\n2,B\u0007\n3,A\n", says: /the columns are "a", "Kind"$/ },
  { is: "a semicolon file", of: "Area;Class\n1;A\n2;B\n", says: /the columns are "Area;Class"; fields must be separated by commas, and this file seems to use ";": say --delimiter semicolon$/ },
  { is: "a tab file", of: "Area\tClass\n1\tA\n2\tB\n", says: /fields must be separated by commas, and this file seems to use "\\t": say --delimiter tab$/ },
  { is: "a semicolon file read without labels", of: "Area;b\n1;2\n2;3\n", with: { label: null, features: ["Area"] }, says: /Cannot find column "Area": the columns are "Area;b"/ },
  { is: "unknown --features", of: "Area,b,Class\n1,1,A\n", with: { features: ["Aera", "b", "zzzzzz"] }, says: /Cannot find columns "Aera", "zzzzzz": the columns are "Area", "b", "Class"$/ },
  { is: "an unknown --features of a like name", of: "Perimeter,b,Class\n1,1,A\n", with: { features: ["perimeter"] }, says: /Cannot find column "perimeter": the columns are "Perimeter", "b", "Class"; perhaps "Perimeter" is meant$/ },
  { is: "unknown --drop", of: "a,b,Class\n1,1,A\n", with: { drop: ["zzzzzz"] }, says: /Cannot find column "zzzzzz": the columns are "a", "b", "Class"$/ },
  { is: "__proto__ where there is none", of: "a,b,Class\n1,1,A\n", with: { features: ["__proto__"] }, says: /Cannot find column "__proto__"/ },
  { is: "the label constructor where there is none", of: "a,b\n1,1\n2,3\n3,4\n", with: { label: "constructor" }, says: /Cannot find the label column "constructor"/ },
  { is: "the label among the features", of: "a,Class\n1,A\n2,B\n", with: { features: ["a", "Class"] }, says: /Cannot use column "Class" as a feature or leave it out as it is the label$/ },
  { is: "the label among those to drop", of: "a,Class\n1,A\n2,B\n", with: { drop: ["Class"] }, says: /Cannot use column "Class" as a feature or leave it out as it is the label$/ },
  { is: "no feature at all", of: "Class\nA\nB\n", says: /no feature column is left: the columns are "Class"$/ },
  { is: "every feature dropped", of: "a,b,Class\n1,1,A\n2,2,B\n", with: { features: ["a"], drop: ["a", "b"] }, says: /no feature column is left/ },
  { is: "an empty list of features", of: "a,Class\n1,A\n2,B\n", with: { features: [] }, says: /no feature column is left/ },
  { is: "one class", of: "a,Class\n1,A\n2,A\n", says: /label column "Class" must hold exactly two classes: it holds 1: "A" \(2 rows\)$/ },
  { is: "three classes", of: "a,Class\n1,A\n2,B\n3,C\n4,C\n", says: /must hold exactly two classes: it holds 3: "A" \(1 rows\), "B" \(1 rows\), "C" \(2 rows\)\nOne class against the rest: --positive "C" --rest, or another label in its place$/, fix: { positive: "C", rest: true } },
  { is: "classes that differ in a blank", of: "a,Class\n1,A\n2,B\n3,A \n", says: /it holds 3: "A" \(1 rows\), "B" \(1 rows\), "A " \(1 rows\)\nSome labels differ only by blanks round them, and count as different: take the blanks out$/ },
  { is: "three classes that are numbers, of which the largest is offered", of: "a,Class\n1,9\n2,10\n3,1e3\n4,10\n", says: /--positive "1e3" --rest, or/, fix: { positive: "1e3", rest: true } },
  { is: "more than 255 classes", of: `a,Class\n${labels(300)}`, says: /it holds at least 255: "L0" \(1 rows\),.*, …\nOne class against the rest: --positive "L99" --rest, or/, fix: { positive: "L99", rest: true } },
  { is: "an empty label", of: "a,Class\n1,A\n2,\n3,B\n4, \n", says: /column "Class": the label is empty; remove such rows, or leave them out with --missing drop \(2 rows, the first: line 3\)$/, problems: [["label_empty", "Class", 3, 2]] },
  { is: "an empty label where cells may be missing", of: "a,Class\n1,A\n2,\n3,B\n4, \n", with: { missingTokens: [] }, says: /column "Class": the label is empty; .* \(2 rows, the first: line 3\)$/, problems: [["label_empty", "Class", 3, 2]], fix: { missing: "drop" } },
  { is: "a label that stands for a missing one", of: "a,Class\n1,A\n2,NA\n3,B\n4, NA\n", with: { missingTokens: ["NA"] }, says: /column "Class": "NA" stands for a missing label; leave such rows out with --missing drop, or name other --missing-tokens \(2 rows, the first: line 3\)$/, problems: [["label_missing", "Class", 3, 2]], fix: { missing: "drop" } },
  { is: "a missing label, and text in a column of numbers", of: "a,b,Class\n1,x,A\n2,2,NA\n3,3,B\n", with: { missingTokens: ["NA"] }, says: /2 problems/, problems: [["text", "b", 2, 1], ["label_missing", "Class", 3, 1]], fix: { drop: ["b"], missing: "drop" } },
  { is: "a label that the model does not know", of: "a,Class\n1,A\n2,C\n", with: { classes: ["A", "B"] }, says: /column "Class": "C" is not a class of the model \(1 row: line 3\)$/, problems: [["label_unknown", "Class", 3, 1]] },
  { is: "a control character in a label", of: "a,Class\n1,A\n2,B\u0007\n", says: /column "Class": "B\\u0007" holds a control character/, problems: [["control", "Class", 3, 1]] },

  // One label against the rest.
  { is: "one label against the rest, which no row has", of: "a,Class\n1,A\n2,B\n3,C\n", with: { rest: "D" }, says: /^Cannot train "D" against the rest in label column "Class" as no row has it; the labels are "A", "B", "C"$/ },
  { is: "one label against the rest, of which no row has one", of: "a,Class\n1,A\n2,A\n", with: { rest: "A" }, says: /^Cannot train "A" against the rest in label column "Class" as every row has it$/ },
  { is: "one label against the rest, whose only row is bad", of: "a,Class\n1,A\nx,B\n3,C\n", with: { rest: "B" }, says: /column "a": "x" is not a decimal number/, problems: [["text", "a", 3, 1]] },

  // Weights of rows.
  { is: "a negative weight", of: "a,w,Class\n1,-1,A\n2,2,B\n3,-0.5,A\n", with: { weight: "w" }, says: /1 problem:\n {2}column "w": weights must not be negative: "-1" \(2 rows, the first: line 2\)$/, problems: [["negative", "w", 2, 2]] },
  { is: "an endless negative weight", of: "a,w,Class\n1,-1e400,A\n2,2,B\n", with: { weight: "w" }, says: /weights must not be negative: "-1e400"/, problems: [["negative", "w", 2, 1]] },
  { is: "an endless weight", of: "a,w,Class\n1,1e400,A\n2,2,B\n", with: { weight: "w" }, says: /column "w": "1e400" is beyond the largest f64/, problems: [["too_large", "w", 2, 1]] },
  { is: "a weight in words", of: "a,w,Class\n1,x,A\n2,2,B\n", with: { weight: "w" }, says: /column "w": "x" is not a decimal number/, problems: [["text", "w", 2, 1]] },
  { is: "an empty weight, though cells may be missing", of: "a,w,Class\n1,,A\n2,2,B\n", with: { weight: "w", missingTokens: ["NA"] }, says: /column "w": the field is empty/, problems: [["empty", "w", 2, 1]] },
  { is: "a weight that stands for a missing value", of: "a,w,Class\n1,NA,A\n2,2,B\n", with: { weight: "w", missingTokens: ["NA"] }, says: /column "w": "NA" is not a decimal number/, problems: [["text", "w", 2, 1]] },
  { is: "an unknown weight", of: "a,w,Class\n1,1,A\n", with: { weight: "W" }, says: /Cannot find column "W": the columns are "a", "w", "Class"; perhaps "w" is meant$/ },
  { is: "the weight among the features", of: "a,w,Class\n1,1,A\n2,2,B\n", with: { weight: "w", features: ["a", "w"] }, says: /Cannot use column "w" as a feature or leave it out as it is the weight$/ },
  { is: "the label as the weight", of: "a,Class\n1,0\n2,1\n", with: { weight: "Class" }, says: /Cannot use column "Class" as a feature or leave it out as it is the weight$/ },
  { is: "nothing but label and weight", of: "w,Class\n1,A\n2,B\n", with: { weight: "w" }, says: /no feature column is left: the columns are "w", "Class"$/ },

  // Kinds of columns.
  { is: "unknown --numeric and --categorical", of: "a,b,Class\n1,1,A\n", with: { numeric: ["yyyyyy"], categorical: ["zzzzzz"] }, says: /Cannot find columns "yyyyyy", "zzzzzz": the columns are "a", "b", "Class"$/ },
  { is: "the label among the categories", of: "a,Class\n1,A\n2,B\n", with: { categorical: ["Class"] }, says: /Cannot use column "Class" as a feature or leave it out as it is the label$/ },
  { is: "a column as numbers and as a category", of: "a,b,Class\n1,1,A\n2,2,B\n", with: { numeric: ["a", "b"], categorical: ["b"] }, says: /^Cannot read column "b" both as numbers and as categories$/ },
  { is: "text in a column of numbers beside one of any kind", of: "a,b,Class\nx,x,A\ny,2,B\n", with: { infer: true, numeric: ["b"] }, says: /1 problem:\n {2}column "b": "x" is not a decimal number \(1 row: line 2\)$/, problems: [["text", "b", 2, 1]], fix: { drop: ["b"] } },
  { is: "a missing label in a file of two columns of text, which may be categories", of: 'a,"x","y"\n1,A,"p"\n2,B,"q"\n3,A,"p"\n', with: { infer: true }, says: /two values: "x", "y"; perhaps "y" is meant$/, fix: { label: "y" } },
  { is: "a NUL in a category", of: "a,b,Class\n1,x\0,A\n2,y,B\n", with: { categorical: ["b"] }, says: /column "b": "x\\u0000" holds a NUL byte/, problems: [["nul", "b", 2, 1]] },
  { is: "a category beyond 65,536 characters", of: `a,b,Class\n1,${WORD64},A\n2,y,B\n`, with: { categorical: ["b"] }, says: /column "b": fields must have at most 65536/, problems: [["field_too_long", "b", 2, 1]] },
  { is: "a blank category where nothing may be missing", of: "a,b,Class\n1, ,A\n2,y,B\n", with: { categorical: ["b"] }, says: /column "b": the field is empty/, problems: [["empty", "b", 2, 1]], fix: { drop: ["b"] } },
  { is: "an empty cell of a column that is not optional, beside one that is", of: "a,b,Class\n,,A\n2,2,B\n", with: { missingTokens: [], optional: new Set(["a"]) }, says: /1 problem:\n {2}column "b": the field is empty/, problems: [["empty", "b", 2, 1]], fix: { drop: ["b"] } },

  // Nothing there.
  { is: "an empty file", of: "", says: /Cannot read the table as the file is empty$/ },
  { is: "a byte order mark and nothing else", of: "\ufeff", says: /the file is empty$/ },
  { is: "a header only", of: "a,Class\n", says: /there is a header and no row under it$/ },
  { is: "a header and blank lines", of: "a,Class\r\n\r\n\n", says: /there is a header and no row under it$/ },
  { is: "a header without a line end", of: "a,Class", says: /there is a header and no row under it$/ },

  // Bytes that are no text.
  { is: "UTF-16 with a mark, little endian", of: bytesOf([0xff, 0xfe], [...Buffer.from("a,Class\n1,A\n", "utf16le")]), says: /it is UTF-16: save the file as UTF-8$/ },
  { is: "UTF-16 with a mark, big endian", of: bytesOf([0xfe, 0xff], [0, 0x61, 0, 0x2c]), says: /it is UTF-16: save the file as UTF-8$/ },
  { is: "UTF-16 without a mark", of: Buffer.from("a,Class\n1,A\n", "utf16le"), says: /header "a\\u0000" holds a NUL byte/ },
  { is: "gzip", of: gzipSync(strToU8("a,Class\n1,A\n")), says: /it is not text but compressed: unpack it first$/ },
  { is: "bzip2", of: bytesOf("BZh91AY&SY", [0, 1, 2]), says: /it is not text but compressed: unpack it first$/ },
  { is: "xz", of: bytesOf([0xfd], "7zXZ", [0, 0, 4]), says: /it is not text but compressed: unpack it first$/ },
  { is: "Zstandard", of: bytesOf([0x28, 0xb5, 0x2f, 0xfd, 4, 0]), says: /it is not text but compressed: unpack it first$/ },
  { is: "a zip archive", of: zipSync({ "a.csv": strToU8("a,Class\n1,A\n") }), says: /it is not text but a zip archive or a spreadsheet: save it as CSV$/ },
  { is: "a cut zip archive", of: bytesOf("PK", [3, 4]), says: /it is not text but a zip archive/ },
  { is: "Latin-1 in a numeric cell", of: bytesOf("a,b,Class\n1,1,A\n2,2", [0xb2], ",B\n"), says: /text must be UTF-8: byte 19 \(line 3, column "b"\) is not; save the file as UTF-8$/ },
  { is: "Latin-1 in the first cell", of: bytesOf("a,b,Class\n", [0xb2], ",1,A\n"), says: /byte 10 \(line 2, column "a"\) is not/ },
  { is: "Latin-1 in a label", of: bytesOf("a,b,Class\n1,1,A\n2,2,B", [0xe9], "\n"), says: /byte 21 \(line 3, column "Class"\) is not/ },
  { is: "Latin-1 in a skipped cell", of: bytesOf("a,b,Class\n1,1,A\n2,x", NOT_UTF8, ",B\n"), with: { drop: ["b"] }, says: /byte 19 \(line 3, column "b"\) is not/ },
  { is: "Latin-1 in a field too many", of: bytesOf("a,Class\n1,A\n2,B,x", NOT_UTF8, "\n"), says: /byte 17 \(line 3\) is not/ },
  { is: "Latin-1 in the header", of: bytesOf("a,b", NOT_UTF8, ",Class\n1,1,A\n"), says: /byte 3 \(line 1\) is not/ },
  { is: "Latin-1 beside quotes", of: bytesOf('a,b,"Class"\n1,1,A\n2,2', [0xb2], ",B\n"), says: /byte 21 \(line 3, column "b"\) is not/ },
  { is: "Latin-1 after a line end in quotes", of: bytesOf('a,b,Class\n1,1,A\n2,"2\n', NOT_UTF8, '",B\n'), says: /byte 21 \(line 4, column "b"\) is not/ },
  { is: "Latin-1 in a quoted header", of: bytesOf('a,"b', NOT_UTF8, '",Class\n1,1,A\n'), says: /byte 4 \(line 1\) is not/ },
  { is: "Latin-1 after a byte order mark", of: bytesOf([0xef, 0xbb, 0xbf], "a,Class\n1,B", [0xe9], "\n"), says: /byte 14 \(line 2, column "Class"\) is not/ },
  { is: "Latin-1 where the label is missing", of: bytesOf("a,b\n1,B", [0xe9], "\n"), says: /byte 7 \(line 2, column "b"\) is not/ },
  { is: "half a character", of: bytesOf("a,b,Class\n1,", HALF, ",A\n"), says: /byte 12 \(line 2, column "b"\) is not/ },
  { is: "half a character at the end of the file", of: bytesOf("a,Class\n1,A\n2,", HALF), says: /byte 14 \(line 3, column "Class"\) is not/ },
  { is: "an encoded surrogate", of: bytesOf("a,Class\n1,A\n2,", SURROGATE, "\n"), says: /byte 14 \(line 3, column "Class"\) is not/ },
  { is: "an overlong slash", of: bytesOf("a,Class\n1,A\n2,x", OVERLONG, "\n"), says: /byte 15 \(line 3, column "Class"\) is not/ },
  { is: "a NUL in a numeric cell", of: "a,b,Class\n1,1\0,A\n2,2,B\n", says: /column "b": "1\\u0000" holds a NUL byte \(1 row: line 2\)$/, problems: [["nul", "b", 2, 1]] },
  { is: "a NUL in a quoted numeric cell", of: 'a,b,Class\n1,"1\0",A\n2,2,B\n', says: /column "b": "1\\u0000" holds a NUL byte/, problems: [["nul", "b", 2, 1]] },
  { is: "a NUL in a label", of: "a,b,Class\n1,1,A\n2,2,B\0\n", says: /column "Class": "B\\u0000" holds a NUL byte/, problems: [["nul", "Class", 3, 1]] },
  { is: "a NUL in a skipped cell", of: "a,b,Class\n1,x\0y,A\n2,2,B\n", with: { drop: ["b"] }, says: /column "b": "x\\u0000y" holds a NUL byte/, problems: [["nul", "b", 2, 1]] },
  { is: "a NUL in a quoted skipped cell", of: 'a,b,Class\n1,"x\0,y",A\n2,2,B\n', with: { drop: ["b"] }, says: /column "b": "x\\u0000,y" holds a NUL byte/, problems: [["nul", "b", 2, 1]] },
  { is: "a NUL in the header", of: "a,b\0,Class\n1,1,A\n", says: /header "b\\u0000" holds a NUL byte$/ },

  // Carriage returns.
  { is: "lone carriage returns", of: "a,Class\r1,A\r2,B\r", says: /line 1 holds a carriage return without a line feed: end lines with LF or CRLF$/ },
  { is: "two carriage returns at each line end", of: "a,Class\r\r\n1,A\r\r\n", says: /line 1 holds a carriage return without a line feed/ },
  { is: "a lone carriage return in a number", of: "a,b,Class\n1,1\r2,A\n2,2,B\n", says: /column "b": "1\\r2" is not a decimal number/, problems: [["text", "b", 2, 1]], fix: { drop: ["b"] } },
  { is: "a lone carriage return in a label", of: "a,Class\n1,A\r\r\n2,B\n", says: /column "Class": "A\\r" holds a carriage return/, problems: [["carriage_return", "Class", 2, 1]] },
  { is: "a lone carriage return in a quoted label", of: 'a,Class\n1,"A\r"\n2,B\n', says: /column "Class": "A\\r" holds a carriage return/, problems: [["carriage_return", "Class", 2, 1]] },

  // Lines.
  { is: "a problem below blank lines", of: "a,b,Class\n\n1,1,A\n\r\n\n2,x,B\n", says: /\(1 row: line 6\)$/, problems: [["text", "b", 6, 1]], fix: { drop: ["b"] } },
  { is: "a problem below a field of several lines", of: 'a,b,c,Class\n1,1,"p\n\n,""q""\r\n",A\n\n2,x,,B\n', with: { drop: ["c"] }, says: /\(1 row: line 7\)$/, problems: [["text", "b", 7, 1]], fix: { drop: ["b"] } },
  { is: "a problem below a header of several lines", of: 'a,"b\n[mm]",Class\n1,1,A\n2,x,B\n', says: /column "b\\n\[mm\]": "x" is not a decimal number \(1 row: line 4\)$/, problems: [["text", "b\n[mm]", 4, 1]], fix: { drop: ["b\n[mm]"] } },
  { is: "an empty row in quotes in a table of one column", of: 'a\n1\n""\n2\n', with: { label: null }, says: /column "a": the field is empty \(1 row: line 3\)$/, problems: [["empty", "a", 3, 1]] },
];

describe("CsvReader refuses", () => {
  test.each(BAD_INPUTS.map((bad) => [bad.is, bad] as const))("%s", (_, bad) => {
    const selection: CsvSelection = { label: "Class", ...bad.with };
    const error = errorOf(bad.of, selection);
    expect(error.message).toMatch(bad.says);
    expect(error.message).toMatch(/^Cannot /);
    expect(error.message.length).toBeLessThan(4000);
    // Shown on a terminal, a message must be text and line ends.
    expect(error.message).not.toMatch(/[^\P{Cc}\n]|\u202e/u);
    const problems = error.problems.map(({ kind, column, line, count }) => [
      kind,
      column,
      line,
      count,
    ]);
    expect(problems).toEqual(bad.problems ?? []);
    for (const { value } of error.problems) expect(value.length).toBeLessThan(130);
    expect(error.fix).toEqual(bad.fix ?? {});
    if (bad.fix) {
      const { label = selection.label, drop = [], positive, rest, missing } = error.fix;
      const fixed: CsvSelection = {
        ...selection,
        label,
        drop: [...(selection.drop ?? []), ...drop],
        ...(rest && { rest: positive! }),
        ...(missing === "drop" && { allowsMissingLabels: true }),
      };
      expect(() => readTableOf(bad.of, fixed)).not.toThrow();
    }
    // However the file is cut into chunks, the error is the same.
    const sizes = toBytes(bad.of).length > 10_000 ? [65_536, 1000] : [1, 2, 3, 7];
    for (const size of sizes) {
      expect(errorOf(bad.of, selection, size).message).toBe(error.message);
    }
  });

  /** Which file has a case of each kind: this one of those that a reader finds, the others of what comes after it. */
  const WHERE: Record<CsvProblemKind, "here" | "column-types" | "encoding"> = {
    text: "here",
    empty: "here",
    non_finite: "here",
    too_large: "here",
    nul: "here",
    control: "here",
    carriage_return: "here",
    negative: "here",
    label_empty: "here",
    label_missing: "here",
    label_too_long: "here",
    label_unknown: "here",
    ragged: "here",
    field_too_long: "here",
    missing: "column-types",
    mixed: "column-types",
    number_format: "column-types",
    date: "column-types",
    unit: "column-types",
    empty_column: "column-types",
    one_level: "column-types",
    too_many_levels: "column-types",
    level_too_long: "column-types",
    level_unknown: "encoding",
    number_for_level: "encoding",
  };
  const kindsOf = (file: (typeof WHERE)[CsvProblemKind]) =>
    Object.entries(WHERE).flatMap(([kind, where]) => (where === file ? [kind] : []));

  test("every kind of problem that a reader can find, in this table", () => {
    const kinds = new Set(
      BAD_INPUTS.flatMap(({ problems = [] }) => problems.map(([kind]) => kind)),
    );
    expect([...kinds].sort()).toEqual(kindsOf("here").sort());
  });

  test.each(["column-types", "encoding"] as const)("every other kind, in %s.test.ts", (file) => {
    const text = readFileSync(new URL(`${file}.test.ts`, import.meta.url), "utf8");
    expect(kindsOf(file).filter((kind) => !text.includes(`"${kind}"`))).toEqual([]);
  });
});

describe("CsvReader, given a file made to exhaust it,", () => {
  test("lists a hundred of 16,000 bad columns, and offers the rest of the table", () => {
    const count = 16_000;
    const bad = Array.from({ length: count }, () => "x").join();
    const error = errorOf(`${names(count)},good,Class\n${bad},1,A\n${bad},2,B\n`);
    expect(error.problems).toHaveLength(count);
    expect(error.message.split("\n")).toHaveLength(102);
    expect(error.message).toMatch(/\n {2}and 15900 more$/);
    expect(error.fix.drop).toHaveLength(count);
  });

  test("needs little memory for many columns and few rows", () => {
    // 16,384 columns with room for 65,536 rows each would be 8 GiB.
    const before = process.memoryUsage();
    const row = Array.from({ length: 16_383 }, () => "1").join();
    const table = readTableOf(`${names(16_383)},Class\n${row},A\n${row},B\n`);
    expect(table.columns).toHaveLength(16_383);
    const after = process.memoryUsage();
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(256 * 2 ** 20);
  });

  test.each([
    // Each would take minutes if work grew with the square of a row or of the file.
    [
      "a row of quotes and text before a run of blanks",
      `a,Class\n${'"x'.repeat(200_000)}${" ".repeat(500_000)},A\n`,
    ],
    ["a row of closed quotes and blanks", `a,Class\n${'"x"  ,'.repeat(150_000)}A\n`],
    ["a quote that is never closed", `a,Class\n1,"${"x,y\n".repeat(2 ** 20)}`],
    ["a row of digits that is no number", `a,Class\n${"1".repeat(2 ** 20 - 10)}x,A\n`],
    [
      "digits in cells just short enough",
      `${names(15)},Class\n${`${"1".repeat(65_535)}x,`.repeat(15)}A\n`,
    ],
    ["doubled quotes", `a,b,Class\n1,"${'""'.repeat(500_000)}",A\n`],
    ["a megabyte of empty lines in quotes", `a,b,Class\n1,"${"\n".repeat(1_000_000)}",A\n`],
    ["a short row with every field bad", `${names(16_000)},Class\n${"x,".repeat(15_000)}A\n`],
  ])("takes time in proportion to its length: %s", (_, text) => {
    const bytes = toBytes(text);
    errorOf(bytes);
    errorOf(bytes, { label: "Class" }, 64);
    errorOf(bytes, { label: "missing" });
  });
});
